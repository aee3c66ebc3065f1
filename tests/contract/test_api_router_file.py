"""``/router.json``: the configuration that routers on other machines read, and who may read it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from api_samples import publish
from fastapi.testclient import TestClient

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.config import RouterConfig, config_bytes, parse_config
from modelscan_catalog.router.deployments import register_deployment
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.settings import Settings

PATH = "/router.json"
CONFIG = RouterConfig.model_validate(
    {
        "routing": {"direct": {"providers": [{"name": "seller", "type": "api", "base_url": "http://s/v1"}]}},
        "models": [{"id": "lab/m", "targets": [{"provider": "seller", "model": "m", "priority": 0}]}],
        "policy": default_policy().model_dump(),
    }
)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TestClient]:
    published = publish(tmp_path / "published")
    (published / "router.json").write_bytes(config_bytes(CONFIG))
    monkeypatch.setenv("ROUTERS", "routers-token")

    def made(token: str | None = None, **settings: object) -> TestClient:
        known = Settings(data_dir=tmp_path / "data", **settings)
        return TestClient(create_app(Served(published), token, known))

    return made


def test_a_deployment_of_this_machine_is_in_it_from_the_next_request_on(
    client: Callable[..., TestClient], tmp_path: Path
) -> None:
    with client(api_keys={"seller": ("file:/run/secrets/seller",)}) as asked:
        first = asked.get(PATH)
        assert parse_config(first.content).models == CONFIG.models
        assert parse_config(first.content).providers["seller"].keys == ("file:/run/secrets/seller",)
        again = asked.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        register_deployment(tmp_path / "data" / "router", "own", "lab/m", "http://10.0.0.7:8000/v1")
        changed = asked.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200
        targets = parse_config(changed.content).models[0].targets
        assert [target.model for target in targets] == ["own", "m"]


def test_a_key_of_the_settings_that_belongs_to_another_seller_is_handed_to_nobody(
    client: Callable[..., TestClient],
) -> None:
    with client(api_keys={"seller": ("env:OPENAI_API_KEY",)}) as asked:
        answer = asked.get(PATH)
        assert answer.status_code == 503
        assert "api_keys.seller: OPENAI_API_KEY is not sent to 'http://s/v1'" in answer.text


def test_operators_and_routers_may_read_it_and_clients_may_not(client: Callable[..., TestClient]) -> None:
    with client("operators-token", registry_token="env:ROUTERS") as asked:
        headers = {
            name: {"Authorization": f"Bearer {name}"}
            for name in ("clients-token", "routers-token", "operators-token")
        }
        found = {name: asked.get(PATH, headers=header).status_code for name, header in headers.items()}
        assert found == {"clients-token": 401, "routers-token": 200, "operators-token": 200}
        assert asked.get(PATH).status_code == 401
        assert asked.post("/admin/restart", headers=headers["routers-token"]).status_code == 401


def test_a_registry_token_that_leads_nowhere_keeps_it_from_starting(
    client: Callable[..., TestClient],
) -> None:
    with pytest.raises(SettingsError, match="env:NOWHERE"):
        client("operators-token", registry_token="env:NOWHERE")
