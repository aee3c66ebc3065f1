"""Settings of Kubernetes: their names, defaults and refusals."""

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings import load_settings

NAMES = {
    "KUBECONFIG": ("kubeconfig", "/a:/b", "/a:/b"),
    "ACTIVE_NAMESPACE": ("active_namespace", "models", "models"),
    "ACTIVE_INFERENCESERVICE_NAME": ("active_service", "main-llm", "main-llm"),
    "WEIGHTS_PVC_NAME": ("weights_pvc", "weights", "weights"),
    "INFERENCE_MODEL_ROOT": ("inference_model_root", "/models", "/models"),
    "MODELSCAN_READINESS_HOSTS": ("readiness_hosts", '["llm.example.com"]', ("llm.example.com",)),
    "MODELSCAN_ALLOW_APPLY": ("allow_apply", "1", True),
}


def test_a_cluster_is_left_alone_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    settings = load_settings()
    assert (settings.active_namespace, settings.active_service) == ("ai", "active-llm")
    assert (settings.allow_apply, settings.readiness_hosts, settings.kubeconfig) == (False, (), None)


@pytest.mark.parametrize("name", NAMES)
def test_the_names_that_model_managers_use_are_honoured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field, text, value = NAMES[name]
    monkeypatch.setenv(name, text)
    assert getattr(load_settings(), field) == value


@pytest.mark.parametrize("name", ["ACTIVE_NAMESPACE", "ACTIVE_INFERENCESERVICE_NAME"])
@pytest.mark.parametrize("text", ["", "Upper", "a/b", "../x", "-a", "a" * 64, "a\n"])
def test_what_is_no_name_in_kubernetes_is_refused(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError, match=name):
        load_settings()
