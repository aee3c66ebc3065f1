"""Progress reaches the listener of its own context, and nobody else."""

from modelscan_catalog import progress


def test_reports_reach_the_listener_only_while_it_listens() -> None:
    heard: list[progress.Step] = []
    progress.report("sources", "gpustack", 0)
    with progress.listening(heard.append):
        progress.report("sources", "gpustack", 1, 2, "half")
    progress.report("sources", "gpustack", 2, 2)
    assert heard == [progress.Step("sources", "gpustack", 1, 2, "half")]
