"""Boxes, regions, and sampling by coordinates."""

from __future__ import annotations

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Site, rule


def more(site: Site, **defaults: object) -> list[str]:
    """`name=value` for each attribute that is not the helper's default."""
    found = []
    for name, default in defaults.items():
        given = site.attributes[name]
        text = f'"{given}"' if isinstance(given, str) else literal(given)
        if text != (f'"{default}"' if isinstance(default, str) else literal(default)):
            found.append(f"{'form' if name == 'format' else name}={text}")
    return found


@rule("_contrib_MultiBoxPrior")
def multibox_prior(site: Site) -> str:
    """Anchor boxes of a feature map."""
    a = site.attributes
    if not (a["sizes"] and a["ratios"] and len(a["steps"]) == len(a["offsets"]) == 2):
        raise site.refuse("sizes, ratios, steps or offsets are incomplete")
    if not all(0 <= offset <= 1 for offset in a["offsets"]):
        raise site.refuse(f"offsets={tuple(a['offsets'])} are not from 0 to 1")
    arguments = [site["data"], literal(tuple(a["sizes"])), literal(tuple(a["ratios"]))]
    arguments += more(site, clip=False, steps=(-1.0, -1.0), offsets=(0.5, 0.5))
    return f"multibox_prior({', '.join(arguments)})"


@rule("_contrib_MultiBoxDetection")
def multibox_detection(site: Site) -> str:
    """Class, score and box of each anchor, after non-maximum suppression."""
    if len(site.attributes["variances"]) != 4:
        raise site.refuse("variances are not four")
    arguments = site.all() + more(
        site,
        clip=True,
        threshold=0.01,
        nms_threshold=0.5,
        force_suppress=False,
        variances=(0.1, 0.1, 0.2, 0.2),
        nms_topk=-1,
    )
    return f"multibox_detection({', '.join(arguments)})"


@rule("_contrib_box_nms")
def box_nms(site: Site) -> str:
    """Rows of boxes by score, those that overlap a better one left out."""
    a, width = site.attributes, site.shape()[-1]
    start, columns = a["coord_start"], [a["score_index"]]
    columns += [a["id_index"]] if a["id_index"] >= 0 else []
    free = {*range(width)} - {*range(start, start + 4)}
    if not 0 <= start <= width - 4 or not {*columns} <= free or len({*columns}) < len(columns):
        told = ", ".join(f"{key}={a[key]}" for key in ("coord_start", "score_index", "id_index"))
        raise site.refuse(f"{told} of {width} columns")
    arguments = [site["data"]]
    arguments += more(
        site,
        overlap_thresh=0.5,
        valid_thresh=0.0,
        topk=-1,
        coord_start=2,
        score_index=1,
        id_index=-1,
        background_id=-1,
        force_suppress=False,
        in_format="corner",
        out_format="corner",
    )
    return f"box_nms({', '.join(arguments)})"


@rule("_contrib_box_iou")
def box_iou(site: Site) -> str:
    """Intersection over union of each pair of boxes."""
    return f"box_iou({', '.join(site.all() + more(site, format='corner'))})"


@rule("_contrib_box_decode")
def box_decode(site: Site) -> str:
    """Boxes from anchors and predicted offsets."""
    a = site.attributes
    stds = literal(tuple(a[f"std{n}"] for n in range(4)))
    arguments = [*site.all(), stds, *more(site, clip=-1.0, format="center")]
    return f"box_decode({', '.join(arguments)})"


@rule("_contrib_ROIAlign")
def roi_align(site: Site) -> str:
    """Averages of a feature map in a grid over each region."""
    a = site.attributes
    arguments = [*site.all(), literal(tuple(a["pooled_size"])), literal(a["spatial_scale"])]
    arguments += more(site, sample_ratio=-1, position_sensitive=False, aligned=False)
    return f"roi_align({', '.join(arguments)})"


@rule("ROIPooling")
def roi_pooling(site: Site) -> str:
    """Maxima of a feature map in a grid over each region."""
    a = site.attributes
    arguments = [*site.all(), literal(tuple(a["pooled_size"])), literal(a["spatial_scale"])]
    return f"roi_pool({', '.join(arguments)})"


@rule("Correlation")
def correlation(site: Site) -> str:
    """How alike two feature maps are, displaced against each other."""
    if site.attributes["kernel_size"] % 2 == 0:
        raise site.refuse("kernel_size is not odd")
    arguments = site.all() + more(
        site, kernel_size=1, max_displacement=1, stride1=1, stride2=1, pad_size=0, is_multiply=True
    )
    return f"correlation({', '.join(arguments)})"


@rule("GridGenerator")
def grid_generator(site: Site) -> str:
    """Where to sample: from an affine matrix, or from a flow."""
    if site.attributes["transform_type"] == "warp":
        return f"flow_grid({site['data']})"
    return f"affine_grid({site['data']}, {_target(site)})"


@rule("BilinearSampler")
def bilinear_sampler(site: Site) -> str:
    """`F.grid_sample`."""
    grid = f"{site['grid']}.permute(0, 2, 3, 1)"
    return f"F.grid_sample({site['data']}, {grid}, align_corners=True)"


@rule("SpatialTransformer")
def spatial_transformer(site: Site) -> str:
    """`F.grid_sample` on an affine grid."""
    grid = f"affine_grid({site['loc']}, {_target(site)}).permute(0, 2, 3, 1)"
    return f"F.grid_sample({site['data']}, {grid}, align_corners=True)"


def _target(site: Site) -> str:
    target = tuple(site.attributes["target_shape"])
    if len(target) != 2 or min(target) < 1:
        raise site.refuse(f"target_shape={target}")
    return literal(target)
