"""ModelScan's domain library: sources in, one checked catalogue with fit verdicts out."""

__version__ = "0.1.0"
