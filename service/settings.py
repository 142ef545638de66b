"""Every limit and address of the server, each with its unit, in one class.

environment LATENTSERVE_… → Settings (checked, frozen) → engine options, app, start-up line

Knows nothing of BentoML, HTTP or the engine. Each field's description is three sentences: what
it limits, what happens at the limit, and which metric tells you to change it. ``--help``,
``docs/settings.md`` and the OpenAPI page print that same text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.cors import parse_origins

PREFIX = "LATENTSERVE_"
Device = Literal["auto", "cpu", "cuda"]


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


OptionalFile = Annotated[Path | None, BeforeValidator(_none_if_empty)]
"""A container's environment can set a variable to nothing more easily than leave it out."""


class Settings(BaseSettings):
    """The settings of one server; every worker reads the same."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    bundle: Path = Field(
        Path("models/faces-64"),
        description="Folder of the model bundle, or of its versions (the highest is taken). "
        "A folder that is missing or was changed by a byte stops the start. "
        "`latentserve_model_info` names the version that is served.",
    )
    host: str = Field(
        "127.0.0.1",
        description="IP address that HTTP and gRPC listen on. "
        "Only callers that reach it are served: 0.0.0.0 opens it to the network. "
        "`latentserve_requests_total` that stays at 0 tells you that nobody reaches it.",
    )
    port: int = Field(
        3000,
        ge=0,
        le=65535,
        description="TCP port of HTTP; 0 lets the system choose one. "
        "A port that is taken stops the start. "
        "`latentserve_requests_total` that stays at 0 tells you that nobody reaches it.",
    )
    grpc_port: int = Field(
        3001,
        ge=0,
        le=65535,
        description="TCP port of gRPC; 0 lets the system choose one. "
        "A port that is taken stops the start. "
        "`latentserve_ready` is what its health service follows.",
    )
    device: Device = Field(
        "auto",
        description="Where the graphs run: cpu, cuda, or auto for cuda if there is one. "
        "cuda without a usable GPU stops the start, auto falls back to cpu. "
        "`latentserve_compute_seconds` tells whether a GPU would pay.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Processes, each with an engine and queues of its own. "
        "One worker uses one core for HTTP and gRPC, which may be the limit before the graphs are; "
        "one for each core encodes more where many connections bring one image at a time. "
        "Add one when cores idle under load while `latentserve_queue_items` is 0.",
    )
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="Threads of one worker that run graphs, thus micro-batches in flight at once; "
        "0 gives one per core, shared among the workers. "
        "Batches wait for a free thread, and requests gather into the next batch. "
        "Raise it while `latentserve_queue_wait_seconds` grows and cores are idle.",
    )
    max_body_bytes: int = Field(
        32 << 20,
        ge=1024,
        description="Bytes of one request body or gRPC message; all that a worker holds may have "
        "16 times as many. "
        "A larger one is refused with 413 payload_too_large before it is read to its end, one that "
        "does not fit beside the others with 429 queue_full. "
        '`latentserve_requests_total{slug="payload_too_large"}` counts the refusals.',
    )
    max_image_pixels: int = Field(
        16_000_000,
        ge=1,
        description="Pixels, width times height, of one image that comes in. "
        "A larger one is refused with 400 invalid_image before any pixel is decoded. "
        '`latentserve_requests_total{slug="invalid_image"}` counts the refusals.',
    )
    max_items: int = Field(
        256,
        ge=1,
        le=1_000_000,
        description="Images or latents of one request. "
        "More are refused with 413 too_many_items. "
        '`latentserve_requests_total{slug="too_many_items"}` counts the refusals.',
    )
    max_queue_size: int = Field(
        512,
        ge=1,
        le=1_000_000,
        description="Items that wait in the queue of one graph in one worker, and images that wait "
        "for their codec. "
        "A request that does not fit is refused at once with 429 queue_full and Retry-After. "
        '`latentserve_sheds_total{reason="queue_full"}` counts them; raise it only while '
        "`latentserve_queue_wait_seconds` is well under the deadline.",
    )
    max_batch_size: int = Field(
        32,
        ge=1,
        le=4096,
        description="Items of one micro-batch. "
        "A larger request is split, and put together again. "
        "Raise it on a GPU while `latentserve_batch_items` sits at the limit.",
    )
    max_queue_delay_ms: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Milliseconds that a batch may be held back to fill up. "
        "At the limit it leaves with what there is; 0 never waits. "
        "Try 1 to 3 on a GPU while `latentserve_batch_items` is small and throughput too low.",
    )
    deadline_ms: float = Field(
        30_000.0,
        gt=0,
        le=600_000,
        description="Milliseconds that a request may take when it brings no deadline of its own "
        "(X-Deadline-Ms, or gRPC's), "
        "and the most that one may ask for. "
        "A later answer is dropped and the caller gets 504 deadline_exceeded. "
        '`latentserve_sheds_total{reason="deadline_exceeded"}` counts them.',
    )
    shutdown_timeout_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds that running requests may take to end after SIGTERM. "
        "At the limit they are cut off and the process ends. "
        "`latentserve_items_in_flight` tells how much is still to do.",
    )
    cuda_graphs: Literal["auto", "off"] = Field(
        "auto",
        description="Whether a GPU replays one captured CUDA graph for each batch size: auto where "
        "the model can be captured and then gives the same, off never. "
        "The line at the start says what came of it; a CPU has none. "
        "`latentserve_compute_seconds` tells what it saves.",
    )
    access_log: bool = Field(
        default=False,
        description="Whether each request writes one line of JSON to standard error. "
        "It costs time on every request, so it is off unless asked for. "
        "`latentserve_requests_total` counts the same requests without it.",
    )
    api_keys: Annotated[SecretStr | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        description="Who may call: keys between commas, each name:sha256, name:sha256:max_items=N "
        "or a key itself, which every user of the machine can read on a command line. "
        "Without a known key every route but health answers 401 unauthenticated. "
        "`latentserve_caller_requests_total` counts requests by the name of their key.",
    )
    api_keys_file: OptionalFile = Field(
        None,
        description="File of further keys, one a line as in `--api-keys` but never a key itself, "
        "that is re-read within two seconds when it changes. "
        "A broken or missing file stops the start, and later leaves the keys as they were. "
        '`latentserve_requests_total{slug="unauthenticated"}` counts who came without a known key.',
    )
    tls_cert: OptionalFile = Field(
        None,
        description="PEM file of the certificate chain with which HTTP and gRPC speak TLS. "
        "A file that cannot be used, or one without `--tls-key`, stops the start. "
        "`latentserve_requests_total` that stays at 0 tells you that no client trusts it.",
    )
    tls_key: OptionalFile = Field(
        None,
        description="PEM file of the certificate's private key, not encrypted. "
        "A key of another certificate stops the start. "
        "`latentserve_requests_total` that stays at 0 tells you that no client trusts it.",
    )
    tls_client_ca: OptionalFile = Field(
        None,
        description="PEM file of the authorities from which callers' certificates must come. "
        "Whoever has none, health probes included, is refused before a request is read. "
        "`latentserve_requests_total` that stays at 0 tells you that nobody has one.",
    )
    cors_origins: str = Field(
        "",
        description="Origins between commas, such as https://shop.example, whose web pages may "
        "call, or * for all. "
        "A browser keeps the answers from the pages of any other. "
        "`latentserve_requests_total` does not count preflights, which need no key.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        parse_origins(value)
        return value

    @model_validator(mode="after")
    def _certificate_and_key_come_together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("cert", "key") if self.tls_key is None else ("key", "cert")
            raise ValueError(f"tls_{given} is given without tls_{missing}; give both or neither")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca is given without tls_cert and tls_key; give all three")
        return self

    @model_validator(mode="after")
    def _a_full_request_fits_the_queue(self) -> Self:
        if self.max_items > self.max_queue_size:
            raise ValueError(
                f"max_items is {self.max_items}, above max_queue_size ({self.max_queue_size}): a "
                "full request could never be queued; lower max_items or raise max_queue_size"
            )
        return self


def find_bundle(path: Path) -> Path:
    """``path``; a relative one that the working directory lacks is looked for beside the code.

    A built bento keeps its model there, wherever it is started from.
    """
    beside_code = Path(__file__).resolve().parents[1] / path
    return beside_code if not path.exists() and beside_code.exists() else path


def environment_name(field: str) -> str:
    """The environment variable that sets ``field``."""
    return PREFIX + field.upper()


def flag_name(field: str) -> str:
    """The flag of ``latentserve serve`` that sets ``field``."""
    return "--" + field.replace("_", "-")


def as_environment(settings: Settings) -> dict[str, str]:
    """Environment variables from which a child process reads equal settings."""
    values = settings.model_dump(mode="json")
    if settings.api_keys is not None:
        values["api_keys"] = settings.api_keys.get_secret_value()
    return {
        environment_name(name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }


def settings_document() -> str:
    """``docs/settings.md``, written from the fields."""
    lines = [
        "# Settings",
        "",
        "Each is a flag of `latentserve serve` and an environment variable; a flag wins.",
        "",
        "| flag | environment variable | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(
            f"| `{flag_name(name)}` | `{environment_name(name)}` | `{field.default}` | {meaning} |"
        )
    return "\n".join(lines) + "\n"
