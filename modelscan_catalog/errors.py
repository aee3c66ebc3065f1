"""Every exception this library raises on purpose.

    ModelScanError
    ├── SettingsError          a setting or a secret reference is unusable
    ├── SourceError
    │   ├── FetchError         a source could not be read over the network
    │   └── DocumentError      a document came, and is not what the source serves
    ├── RecordError            a record does not fit its schema
    ├── OverrideError          a hand-kept override is malformed
    ├── UnknownIdError         no model, GPU or engine has that name
    ├── AmbiguousIdError       several have it
    ├── FitInputError          a field of a fit request cannot be used
    ├── ManifestError          a plan cannot be written as that target's document
    │   └── ManifestLintError   one was written, and does not pass its own lint
    ├── StateError             the state file is unusable
    │   └── StateConflictError  what is asked does not fit what the state holds
    ├── JobCancelledError      somebody asked a job to stop
    ├── ClientError            (sdk.errors) a provider's client could not ask, or got no good answer
    ├── ClientGenerationError  a client cannot be generated, or does not pass its checks
    ├── OnboardingError        a step of adding a provider did not pass
    ├── DeployError            a server refused, or could not do, what a deployment needs
    │   ├── ServerUnreachableError  it did not answer
    │   ├── DocumentRefusedError  it refuses a field of the document that it was sent
    │   └── ConflictError       somebody else changed, or holds, what was to be changed
    ├── WeightsError           weights cannot be installed, read or removed
    ├── CheckFailedError       a blocking check refused the data
    └── PublishError           the published registry is missing, damaged or cannot be replaced
        └── RegistryNotFoundError  (registry.files) also a FileNotFoundError, for programs that expect one

A message says what happened, in which file, record or field, and what to do.
"""

from collections.abc import Sequence


class ModelScanError(Exception):
    """Base of all; ``str(error)`` is a line a person can act on."""


class SettingsError(ModelScanError):
    """A setting or a secret reference is unusable."""


class SourceError(ModelScanError):
    """A source gave nothing usable."""


class FetchError(SourceError):
    """A source could not be read over the network."""


class DocumentError(SourceError):
    """A document came, and is not what the source serves."""


class RecordError(ModelScanError):
    """A record does not fit its schema."""


class OverrideError(ModelScanError):
    """A hand-kept override is malformed."""


class UnknownIdError(ModelScanError):
    """No model, GPU or engine has that name; ``candidates`` are the nearest known ones.

    ``field`` names the parameter that holds it, where it is not the thing asked for.
    """

    def __init__(self, message: str, candidates: Sequence[str] = (), field: str | None = None) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)
        self.field = field


class AmbiguousIdError(ModelScanError):
    """Several models have that name; ``candidates`` lists them."""

    def __init__(self, message: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class FitInputError(ModelScanError):
    """A field of a fit request cannot be used; ``field`` names it."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ManifestError(ModelScanError):
    """A plan cannot be written as that target's document."""


class ManifestLintError(ManifestError):
    """A document was written and does not pass its own lint: no plan should bring that about."""


class StateError(ModelScanError):
    """The state file is unusable."""


class StateConflictError(StateError):
    """What is asked does not fit what the state holds: it has ended, or is somebody else's."""


class JobCancelledError(ModelScanError):
    """Somebody asked a job to stop."""


class DeployError(ModelScanError):
    """A server refused, or could not do, what a deployment needs."""


class ServerUnreachableError(DeployError):
    """A server did not answer; whether it did what was asked is not known."""


class DocumentRefusedError(DeployError):
    """A server refuses a field of the document that it was sent; ``field`` names the first."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ConflictError(DeployError):
    """Somebody else changed, or holds, what was to be changed; ``field`` names the first."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class WeightsError(ModelScanError):
    """Weights cannot be installed, read or removed."""


class CheckFailedError(ModelScanError):
    """A blocking check refused the data."""


class PublishError(ModelScanError):
    """The published registry is missing, damaged or cannot be replaced."""


class ClientGenerationError(ModelScanError):
    """A client cannot be generated from what is known, or does not pass its checks."""


class OnboardingError(ModelScanError):
    """A step of adding a provider did not pass; ``step`` names it."""

    def __init__(self, message: str, step: str = "") -> None:
        super().__init__(message)
        self.step = step
