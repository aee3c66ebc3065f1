"""Weights on disk: installed from a hub at a pinned revision, checked, found again, removed.

Layout: ``<weights>/<hub>/<owner>/<name>/<revision>/…`` with the index ``.modelscan.json``, which is written
last; ``<weights>/.partial/`` holds what is being fetched.
"""

from modelscan_catalog.deploy.weights.addresses import described, inference_model_path, storage_uri
from modelscan_catalog.deploy.weights.install import install_weights, plan_install, remote_repo
from modelscan_catalog.deploy.weights.library import find_install, find_local, list_installs, usage
from modelscan_catalog.deploy.weights.records import Install, InstalledFile, InstallRequest

__all__ = [
    "Install",
    "InstallRequest",
    "InstalledFile",
    "described",
    "find_install",
    "find_local",
    "inference_model_path",
    "install_weights",
    "list_installs",
    "plan_install",
    "remote_repo",
    "storage_uri",
    "usage",
]
