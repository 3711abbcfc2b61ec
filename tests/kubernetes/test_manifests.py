#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes examples: every overlay renders, is what Kubernetes' OpenAPI schema allows, and keeps the
promises of examples/kubernetes/README.md; its configuration is one that the program takes.

The schemas come from npm (package.json says which), into KNT_MANIFESTS_CACHE (else below the build
folder); --fetch does no more than that."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.path.join(HERE, "../.."))
for other in ("..", "../e2e"):
    sys.path.insert(0, os.path.join(HERE, other))
# pylint: disable=wrong-import-position
import manifests
import original
import tap
from daemon import program
from tap import check, contains, equal

BUILD = os.environ.get("top_builddir", os.path.join(SOURCE, "build"))
CACHE = os.path.abspath(os.environ.get("KNT_MANIFESTS_CACHE",
                                       os.path.join(BUILD, "tests/kubernetes/cache")))
CLUSTER_WIDE = ("Namespace", "PriorityClass", "PersistentVolume")
UNITS = {"Ki": 2 ** 10, "Mi": 2 ** 20, "Gi": 2 ** 30, "KiB": 2 ** 10, "MiB": 2 ** 20, "GiB": 2 ** 30}


def install_schemas():
    """As the lock file says, without running anything of it. Kept for the next run."""
    for name in ("package.json", "package-lock.json"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            wanted = file.read()
        path = os.path.join(CACHE, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                if file.read() == wanted:
                    continue
        shutil.rmtree(CACHE, ignore_errors=True)
        os.makedirs(CACHE)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(os.path.join(HERE, name), os.path.join(CACHE, name))
    if not os.path.exists(os.path.join(CACHE, "complete")):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=CACHE, check=True,
                       stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=300)
        with open(os.path.join(CACHE, "complete"), "w", encoding="ascii"):
            pass


def complaints(objects):
    done = subprocess.run(["node", os.path.join(HERE, "check.js")], input=json.dumps(objects),
                          capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "NODE_PATH": os.path.join(CACHE, "node_modules")})
    check(done.returncode == 0, done.stderr)
    return done.stdout.splitlines()


def monitoring_complaints(objects):
    """About objects of the Prometheus Operator, whose schemas are in no package: the fields that are used
    here, as its API reference has them (monitoring.coreos.com/v1)."""
    relabeling = {"sourceLabels": [str], "targetLabel": str, "action": str, "regex": str,
                  "replacement": str}
    endpoints = [{"port": str, "relabelings": [relabeling]}]
    selector = {"matchLabels": {"app.kubernetes.io/name": str}}
    rule = {"record": str, "alert": str, "expr": str, "for": str, "labels": {"severity": str},
            "annotations": {"summary": str, "description": str}}
    shapes = {"PodMonitor": {"jobLabel": str, "selector": selector, "podMetricsEndpoints": endpoints},
              "ServiceMonitor": {"jobLabel": str, "selector": selector, "endpoints": endpoints},
              "PrometheusRule": {"groups": [{"name": str, "rules": [rule]}]}}

    def compare(value, shape, place):
        if isinstance(shape, type):
            return [] if isinstance(value, shape) else ["%s: %r" % (place, value)]
        if not isinstance(value, type(shape)):
            return ["%s: no %s" % (place, type(shape).__name__)]
        if isinstance(shape, list):
            return [what for index, each in enumerate(value)
                    for what in compare(each, shape[0], "%s/%d" % (place, index))]
        return [what for name, each in value.items()
                for what in (compare(each, shape[name], place + "/" + name) if name in shape
                             else ["%s: unknown field %s" % (place, name)])]

    return [what for each in objects
            for what in (compare(each["spec"], shapes[each["kind"]], each["kind"])
                         if each["apiVersion"] == "monitoring.coreos.com/v1" and each["kind"] in shapes
                         else ["%s %s: no such kind" % (each["apiVersion"], each["kind"])])]


def split_monitoring(objects):
    """(those of Kubernetes itself, those of the Prometheus Operator)"""
    return [[each for each in objects if each["apiVersion"].startswith("monitoring.") == is_monitoring]
            for is_monitoring in (False, True)]


def size(text):
    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()
    return int(number) * UNITS[unit]


def parts(objects):
    """(DaemonSet, its pod, its container, the configuration)."""
    daemonset = manifests.only(objects, "DaemonSet")
    pod = daemonset["spec"]["template"]["spec"]
    container, = pod["containers"]
    return daemonset, pod, container, manifests.only(objects, "ConfigMap")["data"]


def program_takes(arguments):
    """What the program makes of arguments: {key: value}."""
    done = subprocess.run([program(), "--print-config", *arguments], capture_output=True, text=True,
                          check=False, env={"NODE_NAME": "node-1", "STATE_DIRECTORY": "/dump"})
    equal(done.returncode, 0, "exit status for %s: %s" % (arguments, done.stderr))
    return done.stdout


def test_the_check_finds_mistakes(_):
    """Of each kind, or what follows says nothing."""
    good = manifests.objects(manifests.render("base"))
    equal(complaints(good), [], "complaints")
    for what, mistake in (
            ("readOnlyRootFileSystem", lambda pod: pod["containers"][0]["securityContext"].update(
                readOnlyRootFileSystem=True)),
            ("hostNetwork", lambda pod: pod.update(hostNetwork="true")),
            ("containers", lambda pod: pod.pop("containers")),
            ("emptyDir", lambda pod: pod["volumes"][1].update(emptyDir=["sizeLimit"])),
            ("mountPath", lambda pod: pod["containers"][0]["volumeMounts"][0].pop("mountPath"))):
        bad = copy.deepcopy(good)
        mistake(parts(bad)[1] if what != "containers" else bad[-1]["spec"]["template"]["spec"])
        contains("\n".join(complaints(bad)), what, "complaints")
    contains("\n".join(complaints([{**good[0], "apiVersion": "apps/v9"}])), "no such kind", "complaints")


def check_folder(folder):
    objects, monitoring = split_monitoring(manifests.objects(manifests.render(folder)))
    equal(complaints(objects), [], "complaints about " + folder)
    equal(monitoring_complaints(monitoring), [], "complaints about the monitoring of " + folder)
    for each in objects + monitoring:
        if each["kind"] not in CLUSTER_WIDE:
            equal(each["metadata"].get("namespace"), "kube-node-tracer", "namespace of " + each["kind"])
    labels = manifests.only(objects, "Namespace")["metadata"]["labels"]
    equal(labels["pod-security.kubernetes.io/enforce"], "privileged", "Pod Security")
    daemonset, pod, container, data = parts(objects)
    equal(daemonset["spec"]["selector"]["matchLabels"],
          daemonset["spec"]["template"]["metadata"]["labels"], "selector and labels")
    check_security(pod, container)
    check_probes(pod, container)
    check_rest(objects, pod, container)
    check_configuration(pod, container, data)


def check_security(pod, container):
    own, shared = container["securityContext"], pod["securityContext"]
    equal(own["capabilities"], {"drop": ["ALL"], "add": ["NET_RAW"]}, "capabilities")
    equal(own["allowPrivilegeEscalation"], False, "allowPrivilegeEscalation")
    equal(own["readOnlyRootFilesystem"], True, "readOnlyRootFilesystem")
    equal(shared["seccompProfile"], {"type": "RuntimeDefault"}, "seccompProfile")
    is_root = "--daemon-user=root" in container["args"]
    equal(shared["runAsUser"], 0 if is_root else 65532, "runAsUser")
    equal(shared.get("runAsNonRoot", False), not is_root, "runAsNonRoot")
    equal(pod["automountServiceAccountToken"], False, "automountServiceAccountToken")
    for name in ("hostPID", "hostIPC"):
        check(not pod.get(name), name)


def check_probes(pod, container):
    """Each is a command of the program, about the spool that is mounted; and none outlasts the other."""
    for kind, word in (("startupProbe", "healthz"), ("livenessProbe", "healthz"), ("readinessProbe", "readyz")):
        probe = container[kind]
        equal(probe["exec"]["command"], ["/usr/sbin/kube-node-tracer", word, "-o", "/dump"], kind)
        # The command itself says within 3 s that there is no answer.
        check(3 < probe["timeoutSeconds"] < pod["terminationGracePeriodSeconds"], "timeoutSeconds of " + kind)
    slow = container["startupProbe"]
    check(slow["periodSeconds"] * slow["failureThreshold"] >= 300, "a start has too little time")
    live = container["livenessProbe"]
    check(live["periodSeconds"] * live["failureThreshold"] >= 60, "a short pause ends the pod")


def check_rest(objects, pod, container):
    equal((pod["hostNetwork"], pod["dnsPolicy"]), (True, "Default"), "network")
    equal(pod["tolerations"], [{"operator": "Exists"}], "tolerations")
    equal(pod["priorityClassName"], manifests.only(objects, "PriorityClass")["metadata"]["name"],
          "priority class")
    equal(pod["serviceAccountName"], manifests.only(objects, "ServiceAccount")["metadata"]["name"],
          "service account")
    check("lifecycle" not in container, "there is a hook")
    # On the host's network a declared port is reserved on the node.
    check("ports" not in container, "a port is declared")
    term, = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    equal({(each["key"], each["operator"], *each["values"]) for each in term["matchExpressions"]},
          {("type", "NotIn", "virtual-kubelet"), ("eks.amazonaws.com/compute-type", "NotIn", "fargate")},
          "nodes that have no network of their own")
    node, = [each for each in container["env"] if each["name"] == "NODE_NAME"]
    equal(node["valueFrom"]["fieldRef"]["fieldPath"], "spec.nodeName", "NODE_NAME")
    with open(os.path.join(SOURCE, "configure.ac"), encoding="utf-8") as file:
        version = re.search(r"AC_INIT\(\[kube-node-tracer\], \[([^]]+)\]", file.read())[1]
    equal(container["image"].rpartition(":")[2], version, "tag of the image")
    limits = container["resources"]["limits"]
    check("cpu" not in limits and size(limits["memory"]) >= 2 ** 27, "limits %r" % limits)
    names = {each["name"] for each in pod["volumes"]}
    equal({each["name"] for each in container["volumeMounts"]}, names, "volumes and mounts")
    claims = {each["metadata"]["name"] for each in objects if each["kind"] == "PersistentVolumeClaim"}
    equal({each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"]
           if "persistentVolumeClaim" in each}, claims, "claims")


def check_configuration(pod, container, data):
    volume, = [each for each in pod["volumes"] if "configMap" in each]
    mount, = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == volume["name"]]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in data.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        arguments = [each.replace(mount, folder) for each in container["args"]]
        # The kubelet puts the address in.
        printed = ""
        for address in "2001:db8::1", "192.0.2.1":
            printed = program_takes([each.replace("$(POD_IP)", address) for each in arguments])
        check_placeholder(arguments, printed)
    values = {"%s.%s" % (group, key): value.strip('"')
              for group, text in re.findall(r"^(\w+):\n\{\n(.*?)^\};", printed, re.MULTILINE | re.DOTALL)
              for key, value in re.findall(r"^\t(\w+) = (.*?);  #", text, re.MULTILINE)}
    check(values.get("upload.destination"), "not understood: " + printed[:500])
    equal(values["spool.directory"], "/dump", "spool")
    check("/dump" in [each["mountPath"] for each in container["volumeMounts"]], "nothing is at /dump")
    grace = pod["terminationGracePeriodSeconds"]
    deadline = int(re.match(r"\d+", values["daemon.shutdown_deadline"])[0])
    check(deadline + 10 <= grace, "%d s to upload, %d s in all" % (deadline, grace))
    spool, = [each for each in pod["volumes"] if each["name"] == "spool"]
    most = re.search(r'max_size = "(\w+)"', "".join(data.values()))[1]
    if "emptyDir" in spool:
        check(size(most) + 2 ** 30 <= size(spool["emptyDir"]["sizeLimit"]),
              "%s waiting in %r" % (most, spool["emptyDir"]))


def check_placeholder(arguments, printed):
    """Applied as it is, it is refused before it asks anybody: the bucket could be a stranger's."""
    if "file://" in printed:
        return
    done = subprocess.run([program(), "--check-config", *arguments, "--status-listen="], capture_output=True, text=True,
                          check=False, env={"NODE_NAME": "node-1", "STATE_DIRECTORY": "/dump"})
    equal(done.returncode, 78, "exit status with the placeholder: " + done.stderr)
    contains(done.stderr, "REPLACE-WITH-YOUR-BUCKET", "what is said of the placeholder")


def test_workload_identity(_):
    """The token that is asked for is where the credentials look for it, and for whom they use it."""
    _, pod, container, data = parts(manifests.objects(manifests.render("overlays/generic")))
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    source, = volumes["token"]["projected"]["sources"]
    token = source["serviceAccountToken"]
    credentials = json.loads(data["credentials.json"])
    equal(credentials["type"], "external_account", "type")
    equal(token["audience"], "https:" + credentials["audience"], "audience")
    check(token["expirationSeconds"] >= 600, "Kubernetes takes no less than 600 s")
    equal(credentials["credential_source"]["file"],
          os.path.join(mounts["token"]["mountPath"], token["path"]), "path of the token")
    equal(mounts["token"]["readOnly"], True, "readOnly")
    check("fsGroup" in pod["securityContext"], "the token is for nobody")
    contains(data["kube-node-tracer.conf"], 'credentials = "%s"' % os.path.join(
        mounts["configuration"]["mountPath"], "credentials.json"), "configuration")
    check(not any("secret" in each for each in pod["volumes"]), "there is a Secret")


def check_monitors(monitors, labels, ports):
    """They choose pods or a service by labels that are there, and a port by its name."""
    for monitor in monitors:
        spec = monitor["spec"]
        equal(labels.get(spec["jobLabel"]), "kube-node-tracer", "job, as the rules have it")
        check(spec["selector"]["matchLabels"].items() <= labels.items(), "nothing is selected")
        for endpoint in spec.get("endpoints", []):
            check(endpoint["port"] in ports, "no port " + endpoint["port"])
        for endpoint in spec.get("podMetricsEndpoints", []):
            for address, target in (("192.0.2.1", "192.0.2.1:9469"), ("2001:db8::1", "[2001:db8::1]:9469")):
                equal([re.sub("^%s$" % each["regex"], each["replacement"].replace("$1", r"\1"), address)
                       for each in endpoint["relabelings"]
                       if each.get("targetLabel") == "__address__" and re.fullmatch(each["regex"], address)],
                      [target], "where a pod is scraped")


def test_monitoring(_):
    """Prometheus finds the pods, which listen where it can reach them."""
    objects, monitoring = split_monitoring(manifests.objects(manifests.render("overlays/monitoring")))
    equal({each["kind"] for each in monitoring}, {"PodMonitor", "PrometheusRule"}, "kinds")
    daemonset, _, container, _ = parts(objects)
    contains(container["args"], "--status-listen=[$(POD_IP)]:9469", "arguments")
    address, = [each for each in container["env"] if each["name"] == "POD_IP"]
    equal(address["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP", "POD_IP")
    monitors = [each for each in monitoring if each["kind"] == "PodMonitor"]
    check_monitors(monitors, daemonset["spec"]["template"]["metadata"]["labels"], [])
    bad = copy.deepcopy(monitoring)
    monitors[0]["spec"]["podMetricsEndpoint"] = []
    contains(" ".join(monitoring_complaints(monitors)), "podMetricsEndpoint", "complaints")
    bad[0]["apiVersion"] = "monitoring.coreos.com/v9"
    contains(" ".join(monitoring_complaints(bad)), "no such kind", "complaints")


def test_many_interfaces(folder):
    """The component takes effect in an overlay that names it."""
    with open(os.path.join(folder, "kustomization.yaml"), "w", encoding="utf-8") as file:
        json.dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                   "resources": [os.path.relpath(manifests.KUBERNETES + "/base", folder)],
                   "components": [os.path.relpath(manifests.KUBERNETES + "/components/many-interfaces", folder)]}, file)
    objects = manifests.objects(manifests.render(folder))
    equal(complaints(objects), [], "complaints")
    _, _, container, _ = parts(objects)
    equal(container["resources"]["limits"]["memory"], "512Mi", "limit")


def test_service_monitor(_):
    with open(os.path.join(manifests.EXAMPLES, "monitoring/service-monitor.yaml"), encoding="utf-8") as file:
        (service,), monitors = split_monitoring(manifests.objects(file.read()))
    equal(complaints([service]), [], "complaints about the service")
    equal(monitoring_complaints(monitors), [], "complaints about the monitor")
    check_monitors(monitors, service["metadata"]["labels"], [each["name"] for each in service["spec"]["ports"]])
    daemonset, *_ = parts(split_monitoring(
        manifests.objects(manifests.render("overlays/monitoring")))[0])
    check(service["spec"]["selector"].items() <= daemonset["spec"]["template"]["metadata"]["labels"].items(),
          "the service has no pods")
    equal([each["targetPort"] for each in service["spec"]["ports"]], [9469], "ports")


def test_single_file(_):
    with open(os.path.join(manifests.EXAMPLES, "daemonset.yaml"), encoding="utf-8") as file:
        equal(file.read(), manifests.single_file(), "examples/daemonset.yaml (it says how to make it anew)")


def test_the_original(_):
    """Its objects are what Kubernetes takes, and their arguments what the program takes."""
    for with_claim in (False, True):
        found = original.daemonset("kube-node-tracer", with_claim)
        equal(complaints([found, *(original.volume_and_claim() if with_claim else [])]), [], "complaints")
    container, = found["spec"]["template"]["spec"]["containers"]
    values = {each["name"]: each.get("value", "node-1") for each in container["env"]}
    printed = program_takes([re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], each)
                             for each in container["args"]])
    for part in ("/dump", original.BUCKET, "node-1"):
        contains(printed, part, "configuration")


def of(folder):
    def test(_):
        check_folder(folder)
    test.__name__ = "test_" + folder
    return test


def main():
    for tool in ("npm", "node"):
        if not shutil.which(tool):
            print("Bail out! %s is not installed: tests/tools does it" % tool)
            sys.exit(1)
    install_schemas()
    if sys.argv[1:] == ["--fetch"]:
        return
    tests = [test_the_check_finds_mistakes, *map(of, manifests.folders()), test_workload_identity,
             test_monitoring, test_many_interfaces, test_service_monitor,
             test_single_file,
             test_the_original]
    tap.run(tests, tempfile.TemporaryDirectory)


if __name__ == "__main__":
    main()
