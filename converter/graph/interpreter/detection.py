"""Boxes: priors, decoding, overlaps and the suppression of those that overlap."""

from __future__ import annotations

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, require

Floats = tuple[float, ...]
FORMATS = ("corner", "center")


@computes("_contrib_MultiBoxPrior")
def multi_box_prior(
    data: Array, *, sizes: Floats, ratios: Floats, clip: bool, steps: Floats, offsets: Floats
) -> Array:
    """(1, places × boxes, 4) corners: at each place every size with the first ratio, then the first
    size with every other ratio.

    apache/mxnet 1.9.1 src/operator/contrib/multibox_prior.cc, MultiBoxPriorForward.
    """
    require(len(sizes) > 0 < len(ratios), "sizes or ratios are empty")
    require(len(steps) == len(offsets) == 2, "steps and offsets are two numbers each")
    require(all(0 <= offset <= 1 for offset in offsets), "offsets are from 0 to 1")
    require(steps[0] * steps[1] >= 0, "both steps are given, or none")
    height, width = data.shape[2:4]
    real = np.float32
    step = np.array(steps if min(steps) > 0 else (1 / height, 1 / width), real)
    y = (np.arange(height, dtype=real) + real(offsets[0])) * step[0]
    x = (np.arange(width, dtype=real) + real(offsets[1])) * step[1]
    size = np.array((*sizes, *(sizes[0] for _ in ratios[1:])), real)
    root = np.sqrt(np.array((*(ratios[0] for _ in sizes), *ratios[1:]), real))
    half = np.stack((size * real(height) / real(width) * root / 2, size / root / 2), 1)
    centre = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), 2)[:, :, None, :]
    boxes = np.concatenate((centre - half, centre + half), 3).reshape(1, -1, 4).astype(data.dtype)
    return np.clip(boxes, 0, 1) if clip else boxes


@computes("_contrib_MultiBoxDetection", without_effect=("background_id",))
def multi_box_detection(
    cls_prob: Array,
    loc_pred: Array,
    anchor: Array,
    *,
    clip: bool,
    threshold: float,
    nms_threshold: float,
    force_suppress: bool,
    variances: Floats,
    nms_topk: int,
) -> Array:
    """(batch, anchors, 6): class, score and corners; a row whose class is -1 is none.

    apache/mxnet 1.9.1 src/operator/contrib/multibox_detection.cc: class 0 is the background,
    whatever `background_id` says.
    """
    require(len(variances) == 4, "variances are four numbers")
    batch, _, count = cls_prob.shape
    out = np.full((batch, count, 6), -1, cls_prob.dtype)
    for scores, moves, rows in zip(cls_prob, loc_pred.reshape(batch, count, 4), out, strict=True):
        best = scores[1:].argmax(0)
        score = scores[1:].max(0)
        found = np.empty_like(rows)
        found[:, 0] = np.where(score < threshold, -1, best)
        found[:, 1] = score
        found[:, 2:] = _decoded(anchor.reshape(-1, 4), moves, variances, clip)
        found = found[found[:, 0] >= 0]
        rows[: len(found)] = found
        if not len(found) or not 0 < nms_threshold <= 1:
            continue
        kept = len(found) if nms_topk <= 0 else min(nms_topk, len(found))
        rows[kept : len(found), 0] = -1
        rows[:kept] = found[np.argsort(-found[:, 1], kind="stable")][:kept]
        classes = None if force_suppress else rows[:kept, 0].copy()
        boxes = rows[:kept, 2:]
        rows[:kept][~_survivors(boxes, _areas(boxes), classes, nms_threshold, True), 0] = -1
    return out


def _decoded(anchors: Array, moves: Array, variances: Floats, clip: bool) -> Array:
    variance = np.array(variances, moves.dtype)
    size = anchors[:, 2:] - anchors[:, :2]
    centre = moves[:, :2] * variance[:2] * size + (anchors[:, :2] + anchors[:, 2:]) / 2
    half = np.exp(moves[:, 2:] * variance[2:]) * size / 2
    boxes = np.concatenate((centre - half, centre + half), 1)
    return np.clip(boxes, 0, 1) if clip else boxes


def _areas(corners: Array) -> Array:
    return np.asarray((corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]))


def _common(box: Array, others: Array) -> Array:
    """The area that one box has in common with each of the others, all as corners."""
    sizes = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.asarray(np.prod(np.maximum(sizes, 0), axis=1))


def _survivors(
    boxes: Array, areas: Array, classes: Array | None, threshold: float, inclusive: bool
) -> Array:
    """Which boxes, best first, no better one of the same class overlaps beyond the threshold."""
    alive = np.ones(len(boxes), bool)
    limit = boxes.dtype.type(threshold)
    for place, box in enumerate(boxes):
        rest = place + 1 + np.flatnonzero(alive[place + 1 :]) if alive[place] else ()
        if not len(rest):
            continue
        common = _common(box, boxes[rest])
        union = areas[place] + areas[rest] - common
        overlap = common / union
        if inclusive:  # without a union there is no overlap; the other operator leaves 0 / 0
            overlap = np.where(union <= 0, 0, overlap)
        over = overlap >= limit if inclusive else overlap > limit
        if classes is not None:
            over &= classes[rest] == classes[place]
        alive[rest[over]] = False
    return alive


def _corners(boxes: Array, form: str) -> Array:
    if form not in FORMATS:
        raise Unhandled("format", form)
    if form == "corner":
        return boxes
    half = boxes[..., 2:] / 2
    return np.concatenate((boxes[..., :2] - half, boxes[..., :2] + half), -1)


def _box_areas(boxes: Array, form: str) -> Array:
    """Without a size below zero: apache/mxnet 1.9.1 contrib/bounding_box-inl.h, BoxArea."""
    size = boxes[..., 2:] - boxes[..., :2] if form == "corner" else boxes[..., 2:]
    return np.where((size < 0).any(-1), 0, size[..., 0] * size[..., 1])


@computes("_contrib_box_nms")
def box_nms(
    data: Array,
    *,
    overlap_thresh: float,
    valid_thresh: float,
    topk: int,
    coord_start: int,
    score_index: int,
    id_index: int,
    background_id: int,
    force_suppress: bool,
    in_format: str,
    out_format: str,
) -> Array:
    """The rows that survive, best first, and rows of -1 behind them.

    apache/mxnet 1.9.1 src/operator/contrib/bounding_box-inl.h, BoxNMSForward.
    """
    width = data.shape[-1]
    coordinates = slice(coord_start, coord_start + 4)
    require(0 <= coord_start <= width - 4, f"coordinates from {coord_start} of {width} columns")
    for index in (score_index, *((id_index,) if id_index >= 0 else ())):
        require(0 <= index < width, f"column {index} is none of {width}")
        require(not coord_start <= index < coord_start + 4, f"column {index} is a coordinate")
    require(score_index != id_index, "score and class are the same column")
    if in_format not in FORMATS or out_format not in FORMATS:
        raise Unhandled("in_format", in_format)
    out = np.full(data.shape, -1, data.dtype).reshape(-1, *data.shape[-2:])
    for rows, result in zip(data.reshape(out.shape), out, strict=True):
        count = len(rows) if topk < 0 else min(topk, len(rows))
        if count < 1:
            result[...] = rows
            continue
        valid = rows[:, score_index] > data.dtype.type(valid_thresh)
        if id_index >= 0:
            valid &= rows[:, id_index] != background_id
        found = rows[valid]
        found = found[np.argsort(-found[:, score_index], kind="stable")][:count]
        classes = None
        if id_index >= 0 and not force_suppress:
            classes = found[:, id_index].astype(np.int64)
        boxes = found[:, coordinates]
        alive = _survivors(
            _corners(boxes, in_format), _box_areas(boxes, in_format), classes, overlap_thresh, False
        )
        found = found[alive]
        if in_format != out_format:
            found[:, coordinates] = _converted(found[:, coordinates], out_format)
        result[: len(found)] = found
    return out.reshape(data.shape)


def _converted(boxes: Array, form: str) -> Array:
    """In the other format, but for those whose first number is below zero, as MXNet leaves them."""
    if form == "corner":
        other = _corners(boxes, "center")
    else:
        begin, end = boxes[:, :2], boxes[:, 2:]
        other = np.concatenate(((begin + end) / 2, end - begin), 1)
    return np.where(boxes[:, :1] < 0, boxes, other)


@computes("_contrib_box_iou")
def box_iou(lhs: Array, rhs: Array, *, format: str) -> Array:  # noqa: A002  MXNet's name
    """Overlap by union of each left box with each right one: contrib/bounding_box-inl.h, 1.9.1."""
    require(lhs.shape[-1] == rhs.shape[-1] == 4, "a box is four numbers")
    left, right = lhs.reshape(-1, 4), rhs.reshape(-1, 4)
    corners = _corners(right, format)
    areas = _box_areas(right, format)
    rows = zip(_corners(left, format), _box_areas(left, format), strict=True)
    found = [(_common(box, corners), area) for box, area in rows]
    out = [np.where(common > 0, common / (area + areas - common), 0) for common, area in found]
    return np.array(out, lhs.dtype).reshape(*lhs.shape[:-1], *rhs.shape[:-1])


@computes("_contrib_box_decode")
def box_decode(
    data: Array,
    anchors: Array,
    *,
    std0: float,
    std1: float,
    std2: float,
    std3: float,
    clip: float,
    format: str,  # noqa: A002
) -> Array:
    """Corners of (batch, boxes, 4) offsets to (1, boxes, 4) anchors.

    apache/mxnet 1.9.1 src/operator/contrib/bounding_box-inl.h, struct box_decode.
    """
    if format not in FORMATS:
        raise Unhandled("format", format)
    real = data.dtype.type
    centre, size = anchors[..., :2], anchors[..., 2:]
    if format == "corner":
        size = size - centre
        centre = centre + size * real(0.5)
    deviations = np.array((std0, std1, std2, std3), data.dtype)
    moved = data[..., :2] * deviations[:2] * size + centre
    grown = data[..., 2:] * deviations[2:]
    if clip > 0:
        grown = np.minimum(grown, real(clip))
    half = np.exp(grown) * size * real(0.5)
    return np.concatenate((moved - half, moved + half), -1)
