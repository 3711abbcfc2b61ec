# SPDX-License-Identifier: Apache-2.0
"""What the example of the original project (google/kube-node-tracer, examples/) asks of image and node, as objects:
its DaemonSet with an emptyDir, and with the claim of a Filestore share. Written down from what it does, field by
field, and no copy of its files; KNT_ORIGINAL is a copy of its DaemonSet to take instead, placeholders and all."""

import os

import yaml

BUCKET = "my-bucket"
CLAIM = {"claimName": "fileserver-claim", "readOnly": False}


def written_down():
    labels = {"app": "kube-node-tracer"}
    container = {
        "name": "node-tracer", "image": "", "imagePullPolicy": "IfNotPresent",
        "securityContext": {"privileged": True},
        "args": ["-N", "$(NODE_NAME)", "-b", "$(GCS_BUCKET)", "-C", "$(FILE_SIZE_MB)", "-W", "$(FILE_COUNT)"],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "GCS_BUCKET", "value": BUCKET},
                {"name": "FILE_SIZE_MB", "value": "100"}, {"name": "FILE_COUNT", "value": "100"}],
        "volumeMounts": [{"name": "dump", "mountPath": "/dump/", "subPathExpr": "$(NODE_NAME)"}]}
    pod = {"hostNetwork": True, "hostPID": False, "hostIPC": False, "containers": [container],
           "volumes": [{"name": "dump", "emptyDir": {}}],
           "tolerations": [{"effect": each, "operator": "Exists"} for each in ("NoExecute", "NoSchedule")]}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "kube-node-tracer", "namespace": "tracing", "labels": labels},
            "spec": {"selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod}}}


def a_copy(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for placeholder, value in (("<NAMESPACE>", "tracing"), ("<GCS-BUCKET-NAME>", BUCKET)):
        assert placeholder in text
        text = text.replace(placeholder, value)
    return yaml.safe_load(text)


def daemonset(image, with_claim=False):
    """With nothing but image and placeholders changed, and with the volume that it suggests for small nodes."""
    made = a_copy(os.environ["KNT_ORIGINAL"]) if os.environ.get("KNT_ORIGINAL") else written_down()
    pod = made["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = image
    if with_claim:
        pod["volumes"] = [{"name": "dump", "persistentVolumeClaim": CLAIM}]
    return made


def volume_and_claim():
    """The share: its volume has no owner but root, and is for all nodes at once."""
    return [{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "fileserver"},
             "spec": {"capacity": {"storage": "1T"}, "accessModes": ["ReadWriteMany"],
                      "nfs": {"path": "/kube_filestore", "server": "10.0.0.2"}}},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM["claimName"]},
             "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "fileserver",
                      "resources": {"requests": {"storage": "500G"}}}}]
