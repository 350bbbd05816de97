"""Checks the CycloneDX lists and the conda recipe: python packaging/test/lists.py LIST.json...

The lists are validated by CycloneDX's own JSON schema. The recipe is rendered as conda-build would, and not built.
"""

import json
import re
import sys
from pathlib import Path

import jinja2
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

TREE = Path(__file__).resolve().parents[2]


def check_list(path: str) -> None:
    text = Path(path).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    assert error is None, f"{path}: {error}"
    bom = json.loads(text)
    known = {one["bom-ref"] for one in [bom["metadata"]["component"], *bom["components"]]}
    assert len(known) == len(bom["components"]) + 1, f"{path}: a part is listed twice"
    named = {ref for one in bom["dependencies"] for ref in [one["ref"], *one["dependsOn"]]}
    assert named == known, f"{path}: {named ^ known}"
    print(f"{path}: valid, {len(bom['components'])} parts")


def check_recipe() -> None:
    def load_file_regex(load_file: str, regex_pattern: str, from_recipe_dir: bool) -> re.Match[str] | None:
        return re.search(regex_pattern, ((recipe if from_recipe_dir else TREE) / load_file).read_text())

    recipe = TREE / "packaging/conda"
    text = (recipe / "meta.yaml").read_text()
    context = {"load_file_regex": load_file_regex, "compiler": lambda language: f"{language}_linux-64"}
    rendered = yaml.safe_load(jinja2.Template(text, undefined=jinja2.StrictUndefined).render(context))
    version = rendered["package"]["version"]
    assert f'version = "{version}"' in (TREE / "Cargo.toml").read_text(), version
    for name in rendered["about"]["license_file"]:
        assert (TREE / name).is_file() or name == "NOTICE.txt", name
    print(f"packaging/conda: renders as {rendered['package']['name']} {version}")


for path in sys.argv[1:]:
    check_list(path)
check_recipe()
