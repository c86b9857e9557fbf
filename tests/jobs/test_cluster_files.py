"""The examples of docs/cluster/ against schemas, the options of what reads them, and the page."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "cluster"
PAGE = ROOT / "docs" / "cluster.md"
KUBERAY = json.loads(Path(__file__).with_name("kuberay.schema.json").read_text())
CLUSTERS = ("kuberay-cluster.yaml", "kuberay-job.yaml")


@pytest.fixture(scope="module", autouse=True)
def _token_mode():
    os.environ["RAY_AUTH_MODE"] = "token"  # Ray reads it once, when it is imported


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@pytest.fixture(scope="module")
def on_premise():
    (held,) = documents("on-premise.yaml")
    return held


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request):
    (held,) = documents(request.param)
    return held["spec"].get("rayClusterSpec", held["spec"])


@pytest.fixture(scope="module")
def options():
    """Options of ``ray start``."""
    from ray.scripts.scripts import start

    return {option for parameter in start.params for option in parameter.opts}


def groups(cluster):
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def launches(on_premise):
    """The ``ray start`` of the head and of the others: its options, and the settings before it."""
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        words = shlex.split(on_premise[key][-1])
        at = words.index("/usr/local/linkage/bin/ray")
        assert words[at + 1] == "start"
        given = {w.partition("=")[0]: w.partition("=")[2] for w in words[at + 2 :]}
        yield given, dict(w.split("=", 1) for w in words[:at] if "=" in w), words


def test_examples__are_all_named_on_the_page_and_all_there():
    named = set(re.findall(r"\(cluster/([a-z-]+\.yaml)\)", PAGE.read_text()))
    assert named == {p.name for p in FOLDER.iterdir()}


def test_on_premise__is_what_ray_up_reads(on_premise):
    import ray.autoscaler
    from ray.autoscaler._private.util import prepare_config, validate_config

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(on_premise, schema)
    whole = prepare_config(copy.deepcopy(on_premise))
    validate_config(whole)
    (kind,) = whole["available_node_types"].values()
    assert kind["min_workers"] == kind["max_workers"] == len(on_premise["provider"]["worker_ips"])


def test_on_premise__a_wrong_key_would_be_seen(on_premise):
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(on_premise | {"head_start_commands": []}, schema)


def test_on_premise__starts_ray_with_options_that_it_has(on_premise, options):
    for given, _, _ in launches(on_premise):
        assert set(given) <= options


def test_on_premise__is_closed_private_and_silent(on_premise):
    (head, *_), *_ = starts = list(launches(on_premise))
    assert head["--include-dashboard"] == "false"
    assert head["--num-cpus"] == "0"
    for given, settings, words in starts:
        assert "--disable-usage-stats" in given
        assert settings["RAY_USAGE_STATS_ENABLED"] == "0"
        assert settings["RAY_AUTH_MODE"] == "token"
        assert settings["RAY_AUTH_TOKEN_PATH"].startswith("/")
        assert settings["RAY_USE_TLS"] == "1"
        assert words[:2] == ["umask", "077"]


def test_page__names_the_ports_that_are_opened(on_premise):
    text = PAGE.read_text()
    for given, _, _ in launches(on_premise):
        for name, value in given.items():
            if name.endswith("port"):
                assert value in text, f"{name} {value}"


@pytest.mark.parametrize("name", [*CLUSTERS, "kuberay-storage.yaml"])
def test_kubernetes__documents_keep_their_schema(name):
    for document in documents(name):
        jsonschema.validate(document, KUBERAY)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "headGroupSpecs"), {}),
        (("spec", "workerGroupSpecs", 0, "maxReplica"), 3),
        (("spec", "authOptions", "mode"), "tokens"),
        (("spec", "headGroupSpec", "template", "spec", "volumes", 0, "emptyDir"), {}),
        (("kind",), "RayClusters"),
    ],
)
def test_schema__sees_what_is_wrong(path, value):
    (document,) = documents("kuberay-cluster.yaml")
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, KUBERAY)


def test_cluster__starts_ray_with_options_that_it_has(cluster, options):
    for group in groups(cluster):
        assert {f"--{name}" for name in group["rayStartParams"]} <= options


def test_cluster__is_of_the_version_that_is_pinned(cluster):
    (pinned,) = re.findall(r"^ray==([0-9.]+)", (ROOT / "requirements/run.lock").read_text(), re.MULTILINE)
    assert cluster["rayVersion"] == pinned


def test_cluster__asks_for_a_token_and_runs_no_task_beside_the_driver(cluster):
    assert cluster["authOptions"] == {"mode": "token", "secretName": "linkage-ray"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_cluster__pods_are_alike_share_the_folder_and_get_what_they_ask_for(cluster):
    images, claims = set(), set()
    for group in groups(cluster):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        volumes = {v["name"]: v for v in pod["volumes"]}
        assert {m["name"] for m in container["volumeMounts"]} == set(volumes)
        mounts = {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}
        claims.add(mounts["/data"]["persistentVolumeClaim"]["claimName"])
        assert "emptyDir" in mounts["/tmp"]
        assert mounts["/dev/shm"]["emptyDir"]["medium"] == "Memory"
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert pod["securityContext"]["runAsNonRoot"]
    storage = documents("kuberay-storage.yaml")
    assert len(images) == 1
    assert claims == {d["metadata"]["name"] for d in storage}
    assert all(d["spec"]["accessModes"] == ["ReadWriteMany"] for d in storage)
    assert {"actimeo=0", "lookupcache=none"} <= set(storage[0]["spec"]["mountOptions"])


def test_cluster_and_job__describe_the_same_nodes():
    (alone,), (job,) = documents(CLUSTERS[0]), documents(CLUSTERS[1])
    inside = job["spec"]["rayClusterSpec"]
    # The job is handed to a server of the dashboard, within the head's pod.
    assert alone["spec"]["headGroupSpec"]["rayStartParams"].pop("include-dashboard") == "false"
    assert inside["headGroupSpec"]["template"]["spec"].pop("restartPolicy") == "Never"
    assert inside == alone["spec"]
    assert job["spec"]["submissionMode"] == "SidecarMode"
