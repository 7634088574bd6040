"""Shapes of what detectors and other vision models have: resizing, cropping, boxes, regions."""

from __future__ import annotations

from collections.abc import Sequence

from converter.graph.shapes.rules import At, Shape, Unfit, product, rule, shown


@rule("_contrib_AdaptiveAvgPooling2D")
def adaptive_pooling(at: At) -> Sequence[Shape]:
    """src/operator/contrib/adaptive_avg_pooling-inl.h, AdaptiveAvgPoolOpInferShape."""
    batch, channels, *_ = at.rank(0, 4)
    sizes = at["output_size"] or (1,)
    if len(sizes) > 2 or min(sizes) < 1:
        raise Unfit(f"output_size={sizes} is no height and width")
    return [(batch, channels, sizes[0], sizes[-1])]


@rule("_contrib_BilinearResize2D")
def bilinear_resize(at: At) -> Sequence[Shape]:
    """src/operator/contrib/bilinear_resize-inl.h, BilinearSampleOpInferShape."""
    batch, channels, height, width = at.rank(0, 4)
    mode, scales = at["mode"], (at["scale_height"], at["scale_width"])
    scaled = mode == "odd_scale" or (mode == "size" and scales[0] is not None)
    if scaled and not all(scale is not None and 0 < scale < 2**15 for scale in scales):
        raise Unfit(f"scale_height={scales[0]} and scale_width={scales[1]} are no scales")
    if mode == "like":
        height, width = at.rank(1, 4)[2:]
    elif mode == "odd_scale":
        height, width = (
            int((size - size % 2) * scale) + size % 2
            for size, scale in zip((height, width), scales, strict=True)
        )
    elif mode in PARITY:
        odd, step = PARITY[mode]
        height, width = (size if size % 2 == odd else size + step for size in (height, width))
    elif scaled:
        height, width = int(height * scales[0]), int(width * scales[1])
    else:
        height, width = at["height"], at["width"]
    return [(batch, channels, height, width)]


PARITY = {
    "to_even_down": (0, -1),
    "to_even_up": (0, 1),
    "to_odd_down": (1, -1),
    "to_odd_up": (1, 1),
}


@rule("Crop")
def crop(at: At) -> Sequence[Shape]:
    """src/operator/crop-inl.h, InferShape."""
    batch, channels, height, width = at.rank(0, 4)
    sizes = at["h_w"] if len(at.shapes) == 1 else at.rank(1, 4)[2:]
    if len(sizes) != 2 or not (1 <= sizes[0] <= height and 1 <= sizes[1] <= width):
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} cannot be cropped to {sizes}")
    offset = at["offset"]
    if not at["center_crop"] and len(offset) == 2:
        ends = (offset[0] + sizes[0], offset[1] + sizes[1])
        if min(offset) < 0 or ends[0] > height or ends[1] > width:
            raise Unfit(f"{sizes} at offset={offset} reaches beyond {shown(at.data)}")
    return [(batch, channels, *sizes)]


@rule("_contrib_box_nms")
def box_nms(at: At) -> Sequence[Shape]:
    """src/operator/contrib/bounding_box-inl.h, BoxNMSShape; output 1 is for training."""
    if len(at.data) < 2 or at.data[-1] < 5 + (at["id_index"] >= 0):
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} holds no boxes with scores")
    return [at.data, (*at.data[:-1], 1)]


@rule("_contrib_box_iou")
def box_iou(at: At) -> Sequence[Shape]:
    """src/operator/contrib/bounding_box-inl.h, BoxOverlapShape."""
    for place in (0, 1):
        if len(at.shape(place)) < 2 or at.shape(place)[-1] != 4:
            raise Unfit(f"{at.tensor(place)} of {shown(at.shape(place))} holds no boxes")
    return [at.data[:-1] + at.shape(1)[:-1]]


@rule("_contrib_box_decode")
def box_decode(at: At) -> Sequence[Shape]:
    """src/operator/contrib/bounding_box-inl.h, BoxDecodeShape."""
    if at.rank(0, 3)[-1] != 4 or at.rank(1, 3)[-1] != 4:
        raise at.unlike(1)
    return [at.data]


@rule("_contrib_MultiBoxPrior")
def multi_box_prior(at: At) -> Sequence[Shape]:
    """src/operator/contrib/multibox_prior-inl.h, InferShape."""
    *_, height, width = at.rank(0, 4)
    boxes = len(at["sizes"]) + len(at["ratios"]) - 1
    return [(1, height * width * boxes, 4)]


@rule("_contrib_MultiBoxDetection")
def multi_box_detection(at: At) -> Sequence[Shape]:
    """src/operator/contrib/multibox_detection-inl.h, InferShape."""
    (batch, _, boxes), location, anchor = at.rank(0, 3), at.rank(1, 2), at.rank(2, 3)
    if location[1] != 4 * boxes:
        raise at.unlike(1)
    if anchor[1:] != (boxes, 4):
        raise at.unlike(2)
    return [(batch, boxes, 6)]


def _regions(at: At) -> tuple[int, int, Shape]:
    """The count of regions, the channels of the data, and the pooled size."""
    data, boxes, size = at.rank(0, 4), at.rank(1, 2), at.positive("pooled_size", 2)
    if boxes[1] != 5:
        raise Unfit(f"{at.tensor(1)} of {shown(boxes)} holds no regions of 5 numbers")
    return boxes[0], data[1], size


@rule("ROIPooling")
def roi_pooling(at: At) -> Sequence[Shape]:
    """src/operator/roi_pooling-inl.h, InferShape."""
    count, channels, size = _regions(at)
    return [(count, channels, *size)]


@rule("_contrib_ROIAlign")
def roi_align(at: At) -> Sequence[Shape]:
    """src/operator/contrib/roi_align.cc."""
    count, channels, size = _regions(at)
    if at["position_sensitive"]:
        if channels % product(size):
            raise Unfit(f"pooled_size={size} does not divide the channels of {shown(at.data)}")
        channels //= product(size)
    return [(count, channels, *size)]


@rule("Correlation")
def correlation(at: At) -> Sequence[Shape]:
    """src/operator/correlation-inl.h, InferShape."""
    batch, _, height, width = at.rank(0, 4)
    if at.rank(1, 4) != at.data:
        raise at.unlike(1)
    reach, pad, steps = at["max_displacement"], at["pad_size"], (at["stride1"], at["stride2"])
    if at["kernel_size"] < 1 or reach < 0 or pad < 0 or min(steps) < 1:
        raise Unfit("its attributes are no sizes of a correlation")
    border = reach + (at["kernel_size"] - 1) // 2
    sizes = [-(-(size + 2 * pad - 2 * border) // steps[0]) for size in (height, width)]
    if min(sizes) < 1:
        raise Unfit(f"the neighbourhood does not fit into {shown(at.data)}")
    return [(batch, (reach // steps[1] * 2 + 1) ** 2, *sizes)]


@rule("GridGenerator")
def grid_generator(at: At) -> Sequence[Shape]:
    """src/operator/grid_generator-inl.h, InferShape."""
    if at["transform_type"] == "warp":
        if at.rank(0, 4)[1] != 2:
            raise Unfit(f"{at.tensor(0)} of {shown(at.data)} is no flow of 2 channels")
        return [at.data]
    if at.rank(0, 2)[1] != 6:
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} is no affine matrix of 6 numbers")
    return [(at.data[0], 2, *at.positive("target_shape", 2))]


@rule("SpatialTransformer")
def spatial_transformer(at: At) -> Sequence[Shape]:
    """src/operator/spatial_transformer-inl.h, InferShape."""
    batch, channels, *_ = at.rank(0, 4)
    if at.rank(1, 2) != (batch, 6):
        raise at.unlike(1)
    return [(batch, channels, *at.positive("target_shape", 2))]


@rule("BilinearSampler")
def bilinear_sampler(at: At) -> Sequence[Shape]:
    """src/operator/bilinear_sampler-inl.h, InferShape."""
    batch, channels, *_ = at.rank(0, 4)
    grid = at.rank(1, 4)
    if grid[:2] != (batch, 2):
        raise at.unlike(1)
    return [(batch, channels, *grid[2:])]
