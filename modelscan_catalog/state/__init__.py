"""What must outlive a process and is no catalogue: jobs, deployments, history, audit; one SQLite file."""

from modelscan_catalog.state.audit import AuditRow, audit_rows, write_audit
from modelscan_catalog.state.database import open_state, schema_version
from modelscan_catalog.state.deployments import (
    Deployment,
    DeploymentState,
    deployment,
    deployments,
    forget_deployment,
    put_deployment,
)
from modelscan_catalog.state.history import Event, events, write_event
from modelscan_catalog.state.jobs import Job, JobState, job, jobs

__all__ = [
    "AuditRow",
    "Deployment",
    "DeploymentState",
    "Event",
    "Job",
    "JobState",
    "audit_rows",
    "deployment",
    "deployments",
    "events",
    "forget_deployment",
    "job",
    "jobs",
    "open_state",
    "put_deployment",
    "schema_version",
    "write_audit",
    "write_event",
]
