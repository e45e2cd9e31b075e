from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerStatus(_message.Message):
    __slots__ = ("server", "contract_version", "catalogue_digest", "uptime_seconds", "time_ns", "draining", "owner", "admin", "devices", "totals", "gpu_software", "resident_bytes", "cpu_seconds")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    GPU_SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    server: str
    contract_version: int
    catalogue_digest: bytes
    uptime_seconds: float
    time_ns: int
    draining: bool
    owner: str
    admin: bool
    devices: _containers.RepeatedCompositeFieldContainer[DeviceStatus]
    totals: Totals
    gpu_software: GpuSoftware
    resident_bytes: int
    cpu_seconds: float
    def __init__(self, server: _Optional[str] = ..., contract_version: _Optional[int] = ..., catalogue_digest: _Optional[bytes] = ..., uptime_seconds: _Optional[float] = ..., time_ns: _Optional[int] = ..., draining: bool = ..., owner: _Optional[str] = ..., admin: bool = ..., devices: _Optional[_Iterable[_Union[DeviceStatus, _Mapping]]] = ..., totals: _Optional[_Union[Totals, _Mapping]] = ..., gpu_software: _Optional[_Union[GpuSoftware, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., cpu_seconds: _Optional[float] = ...) -> None: ...

class DeviceStatus(_message.Message):
    __slots__ = ("context", "name", "memory", "memory_free")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FREE_FIELD_NUMBER: _ClassVar[int]
    context: str
    name: str
    memory: int
    memory_free: int
    def __init__(self, context: _Optional[str] = ..., name: _Optional[str] = ..., memory: _Optional[int] = ..., memory_free: _Optional[int] = ...) -> None: ...

class Totals(_message.Message):
    __slots__ = ("sessions", "ops", "batches", "handles", "device_bytes", "host_bytes", "errors")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_BYTES_FIELD_NUMBER: _ClassVar[int]
    HOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    ops: int
    batches: int
    handles: int
    device_bytes: int
    host_bytes: int
    errors: int
    def __init__(self, sessions: _Optional[int] = ..., ops: _Optional[int] = ..., batches: _Optional[int] = ..., handles: _Optional[int] = ..., device_bytes: _Optional[int] = ..., host_bytes: _Optional[int] = ..., errors: _Optional[int] = ...) -> None: ...

class GpuSoftware(_message.Message):
    __slots__ = ("cupy", "driver", "runtime", "problem")
    CUPY_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    cupy: str
    driver: str
    runtime: str
    problem: str
    def __init__(self, cupy: _Optional[str] = ..., driver: _Optional[str] = ..., runtime: _Optional[str] = ..., problem: _Optional[str] = ...) -> None: ...

class SessionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SessionList(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[SessionStatus]
    def __init__(self, sessions: _Optional[_Iterable[_Union[SessionStatus, _Mapping]]] = ...) -> None: ...

class SessionStatus(_message.Message):
    __slots__ = ("id", "owner", "client", "state", "age_seconds", "ops", "ops_per_second", "batches", "handles", "device_bytes", "host_bytes", "queue_bytes", "errors", "last_error", "resumes", "spills")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[SessionStatus.State]
        RUNNING: _ClassVar[SessionStatus.State]
        IDLE: _ClassVar[SessionStatus.State]
        DETACHED: _ClassVar[SessionStatus.State]
    UNKNOWN: SessionStatus.State
    RUNNING: SessionStatus.State
    IDLE: SessionStatus.State
    DETACHED: SessionStatus.State
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    OPS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_BYTES_FIELD_NUMBER: _ClassVar[int]
    HOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUEUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
    SPILLS_FIELD_NUMBER: _ClassVar[int]
    id: str
    owner: str
    client: str
    state: SessionStatus.State
    age_seconds: float
    ops: int
    ops_per_second: float
    batches: int
    handles: int
    device_bytes: int
    host_bytes: int
    queue_bytes: int
    errors: int
    last_error: str
    resumes: int
    spills: int
    def __init__(self, id: _Optional[str] = ..., owner: _Optional[str] = ..., client: _Optional[str] = ..., state: _Optional[_Union[SessionStatus.State, str]] = ..., age_seconds: _Optional[float] = ..., ops: _Optional[int] = ..., ops_per_second: _Optional[float] = ..., batches: _Optional[int] = ..., handles: _Optional[int] = ..., device_bytes: _Optional[int] = ..., host_bytes: _Optional[int] = ..., queue_bytes: _Optional[int] = ..., errors: _Optional[int] = ..., last_error: _Optional[str] = ..., resumes: _Optional[int] = ..., spills: _Optional[int] = ...) -> None: ...

class KillRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class KillReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ProbeRequest(_message.Message):
    __slots__ = ("data", "wanted")
    DATA_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    wanted: int
    def __init__(self, data: _Optional[bytes] = ..., wanted: _Optional[int] = ...) -> None: ...

class ProbeReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...
