from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImageFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_FORMAT_UNSPECIFIED: _ClassVar[ImageFormat]
    IMAGE_FORMAT_PNG: _ClassVar[ImageFormat]
    IMAGE_FORMAT_JPEG: _ClassVar[ImageFormat]
    IMAGE_FORMAT_WEBP: _ClassVar[ImageFormat]
    IMAGE_FORMAT_PIXELS: _ClassVar[ImageFormat]

class Prior(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIOR_UNSPECIFIED: _ClassVar[Prior]
    PRIOR_FITTED: _ClassVar[Prior]
    PRIOR_NORMAL: _ClassVar[Prior]

class Path(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PATH_UNSPECIFIED: _ClassVar[Path]
    PATH_LINEAR: _ClassVar[Path]
    PATH_SPHERICAL: _ClassVar[Path]
IMAGE_FORMAT_UNSPECIFIED: ImageFormat
IMAGE_FORMAT_PNG: ImageFormat
IMAGE_FORMAT_JPEG: ImageFormat
IMAGE_FORMAT_WEBP: ImageFormat
IMAGE_FORMAT_PIXELS: ImageFormat
PRIOR_UNSPECIFIED: Prior
PRIOR_FITTED: Prior
PRIOR_NORMAL: Prior
PATH_UNSPECIFIED: Path
PATH_LINEAR: Path
PATH_SPHERICAL: Path

class Images(_message.Message):
    __slots__ = ("files", "pixels")
    FILES_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedScalarFieldContainer[bytes]
    pixels: Pixels
    def __init__(self, files: _Optional[_Iterable[bytes]] = ..., pixels: _Optional[_Union[Pixels, _Mapping]] = ...) -> None: ...

class Pixels(_message.Message):
    __slots__ = ("shape", "data")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Matrix(_message.Message):
    __slots__ = ("rows", "columns", "data", "values")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    data: bytes
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ..., data: _Optional[bytes] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class EncodeRequest(_message.Message):
    __slots__ = ("images",)
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    images: Images
    def __init__(self, images: _Optional[_Union[Images, _Mapping]] = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("mean", "logvar")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LOGVAR_FIELD_NUMBER: _ClassVar[int]
    mean: Matrix
    logvar: Matrix
    def __init__(self, mean: _Optional[_Union[Matrix, _Mapping]] = ..., logvar: _Optional[_Union[Matrix, _Mapping]] = ...) -> None: ...

class DecodeRequest(_message.Message):
    __slots__ = ("latents", "format")
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    latents: Matrix
    format: ImageFormat
    def __init__(self, latents: _Optional[_Union[Matrix, _Mapping]] = ..., format: _Optional[_Union[ImageFormat, str]] = ...) -> None: ...

class SampleRequest(_message.Message):
    __slots__ = ("n", "seed", "temperature", "prior", "attributes", "format")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    N_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    n: int
    seed: int
    temperature: float
    prior: Prior
    attributes: _containers.ScalarMap[str, float]
    format: ImageFormat
    def __init__(self, n: _Optional[int] = ..., seed: _Optional[int] = ..., temperature: _Optional[float] = ..., prior: _Optional[_Union[Prior, str]] = ..., attributes: _Optional[_Mapping[str, float]] = ..., format: _Optional[_Union[ImageFormat, str]] = ...) -> None: ...

class SampleResponse(_message.Message):
    __slots__ = ("images", "latents", "seed")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    images: Images
    latents: Matrix
    seed: int
    def __init__(self, images: _Optional[_Union[Images, _Mapping]] = ..., latents: _Optional[_Union[Matrix, _Mapping]] = ..., seed: _Optional[int] = ...) -> None: ...

class ShiftRequest(_message.Message):
    __slots__ = ("images", "latents", "attributes", "format")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    images: Images
    latents: Matrix
    attributes: _containers.ScalarMap[str, float]
    format: ImageFormat
    def __init__(self, images: _Optional[_Union[Images, _Mapping]] = ..., latents: _Optional[_Union[Matrix, _Mapping]] = ..., attributes: _Optional[_Mapping[str, float]] = ..., format: _Optional[_Union[ImageFormat, str]] = ...) -> None: ...

class ReconstructRequest(_message.Message):
    __slots__ = ("images", "format")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    images: Images
    format: ImageFormat
    def __init__(self, images: _Optional[_Union[Images, _Mapping]] = ..., format: _Optional[_Union[ImageFormat, str]] = ...) -> None: ...

class InterpolateRequest(_message.Message):
    __slots__ = ("images", "latents", "steps", "path", "format")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    images: Images
    latents: Matrix
    steps: int
    path: Path
    format: ImageFormat
    def __init__(self, images: _Optional[_Union[Images, _Mapping]] = ..., latents: _Optional[_Union[Matrix, _Mapping]] = ..., steps: _Optional[int] = ..., path: _Optional[_Union[Path, str]] = ..., format: _Optional[_Union[ImageFormat, str]] = ...) -> None: ...

class ImagesResponse(_message.Message):
    __slots__ = ("images", "latents")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    images: Images
    latents: Matrix
    def __init__(self, images: _Optional[_Union[Images, _Mapping]] = ..., latents: _Optional[_Union[Matrix, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("slug", "message", "status", "retry_after_s")
    SLUG_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    slug: str
    message: str
    status: int
    retry_after_s: float
    def __init__(self, slug: _Optional[str] = ..., message: _Optional[str] = ..., status: _Optional[int] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class EncodeStreamResponse(_message.Message):
    __slots__ = ("answer", "failure")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    answer: EncodeResponse
    failure: Failure
    def __init__(self, answer: _Optional[_Union[EncodeResponse, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class ImagesStreamResponse(_message.Message):
    __slots__ = ("answer", "failure")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    answer: ImagesResponse
    failure: Failure
    def __init__(self, answer: _Optional[_Union[ImagesResponse, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("name", "version", "height", "width", "channels", "latent_dimension", "attributes", "limits")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    LATENT_DIMENSION_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    height: int
    width: int
    channels: int
    latent_dimension: int
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    limits: Limits
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., channels: _Optional[int] = ..., latent_dimension: _Optional[int] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("name", "useful_low", "useful_high")
    NAME_FIELD_NUMBER: _ClassVar[int]
    USEFUL_LOW_FIELD_NUMBER: _ClassVar[int]
    USEFUL_HIGH_FIELD_NUMBER: _ClassVar[int]
    name: str
    useful_low: float
    useful_high: float
    def __init__(self, name: _Optional[str] = ..., useful_low: _Optional[float] = ..., useful_high: _Optional[float] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_body_bytes", "max_image_pixels", "max_items", "deadline_ms")
    MAX_BODY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    max_body_bytes: int
    max_image_pixels: int
    max_items: int
    deadline_ms: float
    def __init__(self, max_body_bytes: _Optional[int] = ..., max_image_pixels: _Optional[int] = ..., max_items: _Optional[int] = ..., deadline_ms: _Optional[float] = ...) -> None: ...
