"""A scene as JSON: what it is called, its facts, and where each named group lies."""

import json
from typing import Any

from graphcnn.pictures.scene.scene import Scene


def to_json(scene: Scene) -> str:
    """The facts behind the picture and the boxes of its groups. The same scene, the same text."""
    groups: list[dict[str, Any]] = []
    for group in scene.groups():
        if not group.key and not group.label:
            continue
        entry: dict[str, Any] = {"kind": group.kind, "key": group.key, "label": group.label}
        if group.links:
            entry["links"] = list(group.links)
        if group.frames is not None:
            entry["frames"] = list(group.frames)
        if group.box is not None:
            entry["box"] = [round(x, 2) for x in group.box]
        groups.append(entry)
    document = {
        "title": scene.title,
        "description": scene.description,
        "size": [round(scene.width, 2), round(scene.height, 2)],
        "footer": list(scene.footer),
        **({"seconds": list(scene.film.seconds)} if scene.film else {}),
        "data": dict(scene.data),
        "groups": groups,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n"
