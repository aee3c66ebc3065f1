"""What all published records share: frozen, no unknown fields, unknown values are null."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

SourceName = Literal["models_dev", "gpustack", "huggingface", "modelscope", "override"]

IdKind = Literal["huggingface", "modelscope", "models_dev", "gpustack"]


class Record(BaseModel):
    """A strict, frozen record; every field without a known value is ``None``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
