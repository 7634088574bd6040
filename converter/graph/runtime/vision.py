"""Boxes, regions, and sampling by coordinates."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def multibox_prior(
    x: Tensor,
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    clip: bool = False,
    steps: tuple[float, ...] = (-1.0, -1.0),
    offsets: tuple[float, ...] = (0.5, 0.5),
) -> Tensor:
    """Anchor boxes of each position: the sizes with the first ratio, then the other ratios."""
    height, width = x.shape[2:]
    if min(steps) <= 0:
        steps = (1 / height, 1 / width)
    y = (torch.arange(height, device=x.device, dtype=x.dtype) + offsets[0]) * steps[0]
    x = (torch.arange(width, device=x.device, dtype=x.dtype) + offsets[1]) * steps[1]
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    w = x.new_tensor([size * height / width * ratio**0.5 / 2 for size, ratio in pairs])
    h = x.new_tensor([size / ratio**0.5 / 2 for size, ratio in pairs])
    y, x = y[:, None, None], x[None, :, None]
    sides = [side.expand(height, width, -1) for side in (x - w, y - h, x + w, y + h)]
    boxes = torch.stack(sides, -1).reshape(1, -1, 4)
    return boxes.clamp(0.0, 1.0) if clip else boxes


def overlap(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes (left, top, right, bottom); 0 of boxes without an area."""
    low = torch.maximum(box[..., :2], others[..., :2])
    high = torch.minimum(box[..., 2:], others[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    areas = [(b[..., 2:] - b[..., :2]).prod(-1) for b in (box, others)]
    union = areas[0] + areas[1] - both
    return torch.where(union > 0, both / union, 0)


def multibox_detection(
    prob: Tensor,
    offsets: Tensor,
    anchors: Tensor,
    clip: bool = True,
    threshold: float = 0.01,
    nms_threshold: float = 0.5,
    force_suppress: bool = False,
    variances: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
    nms_topk: int = -1,
) -> Tensor:
    """Class, score and box of each anchor; the class is -1 where nothing is found."""
    size, center = anchors[..., 2:] - anchors[..., :2], (anchors[..., :2] + anchors[..., 2:]) / 2
    offsets = offsets.reshape(offsets.shape[0], -1, 4) * offsets.new_tensor(variances)
    middle = offsets[..., :2] * size + center
    half = torch.exp(offsets[..., 2:]) * size / 2
    boxes = torch.cat((middle - half, middle + half), -1)
    if clip:
        boxes = boxes.clamp(0.0, 1.0)
    score, label = prob[:, 1:].max(1)
    rows = torch.cat((label.unsqueeze(-1).to(prob.dtype), score.unsqueeze(-1), boxes), -1)
    out = torch.full_like(rows, -1.0)
    for item, found in enumerate(score >= threshold):
        kept = rows[item, found]
        if len(kept) and 0 < nms_threshold <= 1:
            order = kept[:, 1].sort(descending=True, stable=True)[1]
            order = order[:nms_topk] if nms_topk > 0 else order
            best = kept[order]
            for place in range(len(best)):
                if best[place, 0] >= 0:
                    later = best[place + 1 :]
                    again = overlap(best[place, 2:], later[:, 2:]) >= nms_threshold
                    if not force_suppress:
                        again &= later[:, 0] == best[place, 0]
                    later[again, 0] = -1.0
            kept[:, 0] = torch.where(torch.arange(len(kept), device=kept.device) < len(best), 0, -1)
            kept[: len(best)] = best
        out[item, : len(kept)] = kept
    return out


def corners(box: Tensor) -> Tensor:
    """(x, y, width, height) as (left, top, right, bottom)."""
    return torch.cat((box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2), -1)


def box_area(box: Tensor, form: str) -> Tensor:
    """The area of boxes; 0 where a side is negative."""
    sides = box[..., 2:] if form == "center" else box[..., 2:] - box[..., :2]
    return torch.where((sides >= 0).all(-1), sides.prod(-1), 0)


def box_shared(box: Tensor, others: Tensor, form: str) -> Tensor:
    """The area that boxes share."""
    box, others = (corners(b) if form == "center" else b for b in (box, others))
    low = torch.maximum(box[..., :2], others[..., :2])
    high = torch.minimum(box[..., 2:], others[..., 2:])
    return (high - low).clamp(min=0).prod(-1)


def box_iou(lhs: Tensor, rhs: Tensor, form: str = "corner") -> Tensor:
    """Intersection over union of each pair of boxes; 0 of those that share nothing."""
    shape = lhs.shape[:-1] + rhs.shape[:-1]
    lhs, rhs = lhs.reshape(-1, 1, 4), rhs.reshape(1, -1, 4)
    both = box_shared(lhs, rhs, form)
    union = box_area(lhs, form) + box_area(rhs, form) - both
    return torch.where(both > 0, both / union, 0).reshape(shape)


def box_nms(
    x: Tensor,
    overlap_thresh: float = 0.5,
    valid_thresh: float = 0.0,
    topk: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = -1,
    background_id: int = -1,
    force_suppress: bool = False,
    in_format: str = "corner",
    out_format: str = "corner",
) -> Tensor:
    """Rows by falling score, without those that overlap a better one; -1 fills up."""
    rows = x.reshape(-1, *x.shape[-2:])
    if topk == 0:
        return x
    out = torch.full_like(rows, -1.0)
    coordinates = slice(coord_start, coord_start + 4)
    for item, row in enumerate(rows):
        valid = row[:, score_index] > valid_thresh
        if id_index >= 0:
            valid &= row[:, id_index] != background_id
        found = row[valid]
        found = found[found[:, score_index].sort(descending=True, stable=True)[1]]
        found = found[:topk] if topk > 0 else found
        keep = torch.ones(len(found), dtype=torch.bool, device=x.device)
        box, area = found[:, coordinates], box_area(found[:, coordinates], in_format)
        for place in range(len(found)):
            if keep[place]:
                both = box_shared(box[place], box[place + 1 :], in_format)
                again = both / (area[place] + area[place + 1 :] - both) > overlap_thresh
                if id_index >= 0 and not force_suppress:
                    label = found[:, id_index].int()
                    again &= label[place + 1 :] == label[place]
                keep[place + 1 :] &= ~again
        out[item, : int(keep.sum())] = found[keep]
    if in_format != out_format:
        box = out[..., coordinates]
        if out_format == "corner":
            turned = corners(box)
        else:
            sides = box[..., 2:] - box[..., :2]
            turned = torch.cat(((box[..., :2] + box[..., 2:]) / 2, sides), -1)
        out[..., coordinates] = torch.where(box[..., :1] < 0, box, turned)
    return out.reshape(x.shape)


def box_decode(
    x: Tensor, anchors: Tensor, stds: tuple[float, ...], clip: float = -1.0, form: str = "center"
) -> Tensor:
    """Boxes (left, top, right, bottom) from anchors and predicted offsets."""
    middle, size = anchors[..., :2], anchors[..., 2:]
    if form == "corner":
        size = size - middle
        middle = middle + size * 0.5
    x = x * x.new_tensor(stds)
    scale = x[..., 2:].clamp(max=clip) if clip > 0 else x[..., 2:]
    half = torch.exp(scale) * size * 0.5
    middle = x[..., :2] * size + middle
    return torch.cat((middle - half, middle + half), -1)


def interpolation(start: Tensor, size: Tensor, bins: int, count: int, length: int) -> Tensor:
    """A matrix (bins, length) that averages `count` values of each bin, read between places."""
    place = torch.arange(bins * count, device=size.device, dtype=size.dtype)
    at = start + torch.floor(place / count) * size + (place % count + 0.5) * size / count
    inside = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    low = at.floor().long()
    weights = at.new_zeros(bins * count, length)
    weights.scatter_add_(1, low.unsqueeze(1), (1 - (at - low)).unsqueeze(1))
    weights.scatter_add_(1, (low + 1).clamp(max=length - 1).unsqueeze(1), (at - low).unsqueeze(1))
    return (weights * inside.unsqueeze(1)).reshape(bins, count, length).mean(1)


def roi_align(
    x: Tensor,
    rois: Tensor,
    pooled_size: tuple[int, ...],
    spatial_scale: float,
    sample_ratio: int = -1,
    position_sensitive: bool = False,
    aligned: bool = False,
) -> Tensor:
    """Averages of a feature map in a grid over each region (item, left, top, right, bottom)."""
    (rows, columns), found = pooled_size, []
    channels = x.shape[1] // (rows * columns) if position_sensitive else x.shape[1]
    for roi in rois:
        left, top, right, bottom = roi[1:] * spatial_scale - (0.5 if aligned else 0.0)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = width.clamp(min=1), height.clamp(min=1)
        sides = []
        for start, size, bins, length in (
            (top, height / rows, rows, x.shape[2]),
            (left, width / columns, columns, x.shape[3]),
        ):
            count = sample_ratio if sample_ratio > 0 else int(torch.ceil(size))
            sides.append(interpolation(start, size, bins, count, length))
        if roi[0] < 0:
            found.append(x.new_zeros(channels, rows, columns))
            continue
        pooled = sides[0] @ x[int(roi[0])] @ sides[1].t()
        if position_sensitive:
            pooled = pooled.reshape(channels, rows, columns, rows, columns)
            pooled = pooled.diagonal(dim1=1, dim2=3).diagonal(dim1=1, dim2=2)
        found.append(pooled)
    return torch.stack(found)


def roi_pool(x: Tensor, rois: Tensor, pooled_size: tuple[int, ...], spatial_scale: float) -> Tensor:
    """Maxima of a feature map in a grid over each region; 0 where a part of the grid is empty."""
    lowest, found = torch.finfo(x.dtype).min, []
    for roi in rois:
        edges = roi[1:] * spatial_scale
        edges = (torch.sign(edges) * torch.floor(edges.abs() + 0.5)).long()
        pooled = x[int(roi[0].clamp(0, len(x) - 1))]
        outside = not 0 <= roi[0] < len(x)
        for axis, bins in ((1, pooled_size[0]), (2, pooled_size[1])):
            length, start = pooled.shape[axis], edges[2 - axis]
            size = (edges[4 - axis] - start + 1).clamp(min=1).to(x.dtype) / bins
            grid = torch.arange(bins + 1, device=x.device)
            begin = torch.floor(grid[:-1] * size).long() + start
            end = torch.ceil(grid[1:] * size).long() + start
            place = torch.arange(length, device=x.device)
            inside = (place >= begin.unsqueeze(1)) & (place < end.unsqueeze(1))
            inside = inside.reshape(1, bins, length, 1) if axis == 1 else inside[None, None]
            pooled = pooled.unsqueeze(axis).masked_fill(~inside, lowest).amax(axis + 1)
        empty = pooled == lowest
        found.append(pooled.masked_fill(empty | outside, 0))
    return torch.stack(found)


def correlation(
    a: Tensor,
    b: Tensor,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
) -> Tensor:
    """Mean products (or differences) of patches of two maps, one channel a displacement."""
    a, b = F.pad(a, [pad_size] * 4), F.pad(b, [pad_size] * 4)
    border, reach = max_displacement + kernel_size // 2, max_displacement // stride2
    height, width = (
        (-(-(size - 2 * border) // stride1) - 1) * stride1 + kernel_size for size in a.shape[2:]
    )
    moves = [step * stride2 for step in range(-reach, reach + 1)]
    found = []
    patch = a.narrow(2, max_displacement, height).narrow(3, max_displacement, width)
    for down in moves:
        for right in moves:
            other = b.narrow(2, max_displacement + down, height)
            other = other.narrow(3, max_displacement + right, width)
            alike = patch * other if is_multiply else (patch - other).abs()
            found.append(F.avg_pool2d(alike.mean(1, keepdim=True), kernel_size, stride1))
    return torch.cat(found, 1)


def affine_grid(theta: Tensor, size: tuple[int, ...]) -> Tensor:
    """Where each pixel of an image of this size comes from: (batch, x and y, height, width)."""
    theta = theta.reshape(-1, 2, 3)
    grid = F.affine_grid(theta, [len(theta), 1, *size], align_corners=True)
    return grid.permute(0, 3, 1, 2)


def flow_grid(flow: Tensor) -> Tensor:
    """Where each pixel comes from when a flow in pixels is added, between -1 and 1."""
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype).expand(height, width)
    y = (
        torch.arange(height, device=flow.device, dtype=flow.dtype)
        .unsqueeze(1)
        .expand(height, width)
    )
    half = flow.new_tensor([(width - 1) / 2, (height - 1) / 2]).reshape(1, 2, 1, 1)
    return (flow + torch.stack((x, y))) / half - 1.0
