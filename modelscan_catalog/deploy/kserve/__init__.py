"""Driving KServe through the Kubernetes API: services written, tried, applied, looked at and deleted."""
