# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes examples as objects: rendered by kustomize, read by PyYAML.

As a program it prints examples/daemonset.yaml, which is the base in one file."""

import os
import shutil
import subprocess

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.abspath(os.path.join(HERE, "../../examples"))
KUBERNETES = os.path.join(EXAMPLES, "kubernetes")


class RenderError(Exception):
    """kustomize refused."""


def folders():
    """Everything that can be applied, relative to examples/kubernetes."""
    return ["base", *("overlays/" + name for name in
                      sorted(os.listdir(os.path.join(KUBERNETES, "overlays"))))]


def render(folder):
    """What `kubectl apply -k` would send, as text."""
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize"]
    elif shutil.which("kustomize"):
        command = ["kustomize", "build"]
    else:
        raise RenderError("neither kubectl nor kustomize is installed")
    done = subprocess.run([*command, os.path.join(KUBERNETES, folder)], capture_output=True, text=True,
                          check=False, timeout=60)
    # It warns of fields that are on their way out.
    if done.returncode or done.stderr:
        raise RenderError("%s: %s" % (folder, done.stderr or done.returncode))
    return done.stdout


def objects(text):
    return [each for each in yaml.safe_load_all(text) if each]


def only(found, kind):
    """The only object of a kind."""
    one, = [each for each in found if each["kind"] == kind]
    return one


HEADER = """\
# SPDX-License-Identifier: Apache-2.0
# kube-node-tracer on every node of a cluster, in one file: fill in the image and the bucket, then
#     kubectl apply -f daemonset.yaml
# kubernetes/README.md explains each line, and has variants. Generated from kubernetes/base by
#     python3 tests/kubernetes/manifests.py >examples/daemonset.yaml
"""


def single_file():
    return HEADER + render("base")


if __name__ == "__main__":
    print(single_file(), end="")
