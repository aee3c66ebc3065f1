"""GPUStack: its HTTP API, its records, its states, and the deployer that drives them."""

from modelscan_catalog.deploy.gpustack.api import GPUStackApi, RefusedError, server_url
from modelscan_catalog.deploy.gpustack.deployer import GPUStackDeployer

__all__ = ["GPUStackApi", "GPUStackDeployer", "RefusedError", "server_url"]
