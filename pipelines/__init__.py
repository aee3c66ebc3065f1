"""Dagster definitions: the asset graph put together with resources, jobs, schedules and sensors."""
