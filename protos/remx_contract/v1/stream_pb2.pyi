from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Up(_message.Message):
    __slots__ = ("hello", "batch", "ping", "goodbye", "detach")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    batch: Batch
    ping: Ping
    goodbye: Goodbye
    detach: Detach
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ..., detach: _Optional[_Union[Detach, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("contract_version", "catalogue_digest", "client", "session", "heard", "take_over", "client_id")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    contract_version: int
    catalogue_digest: bytes
    client: str
    session: bytes
    heard: int
    take_over: bool
    client_id: bytes
    def __init__(self, contract_version: _Optional[int] = ..., catalogue_digest: _Optional[bytes] = ..., client: _Optional[str] = ..., session: _Optional[bytes] = ..., heard: _Optional[int] = ..., take_over: bool = ..., client_id: _Optional[bytes] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("sequence", "code", "commands", "heard", "fetched")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    FETCHED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    code: _containers.RepeatedScalarFieldContainer[int]
    commands: _containers.RepeatedCompositeFieldContainer[Command]
    heard: int
    fetched: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, sequence: _Optional[int] = ..., code: _Optional[_Iterable[int]] = ..., commands: _Optional[_Iterable[_Union[Command, _Mapping]]] = ..., heard: _Optional[int] = ..., fetched: _Optional[_Iterable[int]] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("define", "put", "upload", "read", "publish", "barrier", "mark", "backward", "seed", "forget", "record", "take", "resume", "history", "summarize", "fill", "describe", "name", "fetch", "names", "save", "restore")
    DEFINE_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    BARRIER_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    BACKWARD_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    TAKE_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    SUMMARIZE_FIELD_NUMBER: _ClassVar[int]
    FILL_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FETCH_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    SAVE_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    define: Define
    put: Put
    upload: UploadTo
    read: Read
    publish: Publish
    barrier: Barrier
    mark: Mark
    backward: Backward
    seed: Seed
    forget: Forget
    record: Record
    take: Take
    resume: Resume
    history: History
    summarize: Summarize
    fill: Fill
    describe: Describe
    name: Name
    fetch: Fetch
    names: Names
    save: Save
    restore: Restore
    def __init__(self, define: _Optional[_Union[Define, _Mapping]] = ..., put: _Optional[_Union[Put, _Mapping]] = ..., upload: _Optional[_Union[UploadTo, _Mapping]] = ..., read: _Optional[_Union[Read, _Mapping]] = ..., publish: _Optional[_Union[Publish, _Mapping]] = ..., barrier: _Optional[_Union[Barrier, _Mapping]] = ..., mark: _Optional[_Union[Mark, _Mapping]] = ..., backward: _Optional[_Union[Backward, _Mapping]] = ..., seed: _Optional[_Union[Seed, _Mapping]] = ..., forget: _Optional[_Union[Forget, _Mapping]] = ..., record: _Optional[_Union[Record, _Mapping]] = ..., take: _Optional[_Union[Take, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., history: _Optional[_Union[History, _Mapping]] = ..., summarize: _Optional[_Union[Summarize, _Mapping]] = ..., fill: _Optional[_Union[Fill, _Mapping]] = ..., describe: _Optional[_Union[Describe, _Mapping]] = ..., name: _Optional[_Union[Name, _Mapping]] = ..., fetch: _Optional[_Union[Fetch, _Mapping]] = ..., names: _Optional[_Union[Names, _Mapping]] = ..., save: _Optional[_Union[Save, _Mapping]] = ..., restore: _Optional[_Union[Restore, _Mapping]] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("device_type", "device_id")
    DEVICE_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    device_type: int
    device_id: int
    def __init__(self, device_type: _Optional[int] = ..., device_id: _Optional[int] = ...) -> None: ...

class Define(_message.Message):
    __slots__ = ("spec_id", "op", "attributes", "inputs", "context", "spelled")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Attribute
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Attribute, _Mapping]] = ...) -> None: ...
    class SpelledEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SPEC_ID_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    SPELLED_FIELD_NUMBER: _ClassVar[int]
    spec_id: int
    op: str
    attributes: _containers.MessageMap[str, Attribute]
    inputs: int
    context: Context
    spelled: _containers.ScalarMap[str, str]
    def __init__(self, spec_id: _Optional[int] = ..., op: _Optional[str] = ..., attributes: _Optional[_Mapping[str, Attribute]] = ..., inputs: _Optional[int] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., spelled: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Forget(_message.Message):
    __slots__ = ("spec_ids",)
    SPEC_IDS_FIELD_NUMBER: _ClassVar[int]
    spec_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, spec_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("none", "boolean", "integer", "number", "text", "dtype", "tuple")
    class Tuple(_message.Message):
        __slots__ = ("items",)
        ITEMS_FIELD_NUMBER: _ClassVar[int]
        items: _containers.RepeatedCompositeFieldContainer[Attribute]
        def __init__(self, items: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ...) -> None: ...
    class Nothing(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    NONE_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    TUPLE_FIELD_NUMBER: _ClassVar[int]
    none: Attribute.Nothing
    boolean: bool
    integer: int
    number: float
    text: str
    dtype: int
    tuple: Attribute.Tuple
    def __init__(self, none: _Optional[_Union[Attribute.Nothing, _Mapping]] = ..., boolean: bool = ..., integer: _Optional[int] = ..., number: _Optional[float] = ..., text: _Optional[str] = ..., dtype: _Optional[int] = ..., tuple: _Optional[_Union[Attribute.Tuple, _Mapping]] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("dtype", "shape", "data")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    dtype: int
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, dtype: _Optional[int] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Put(_message.Message):
    __slots__ = ("handle", "context", "tensor", "write")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    WRITE_FIELD_NUMBER: _ClassVar[int]
    handle: int
    context: Context
    tensor: Tensor
    write: bool
    def __init__(self, handle: _Optional[int] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., tensor: _Optional[_Union[Tensor, _Mapping]] = ..., write: bool = ...) -> None: ...

class UploadTo(_message.Message):
    __slots__ = ("handle", "context", "tensor", "transfer", "write", "unchecked")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    WRITE_FIELD_NUMBER: _ClassVar[int]
    UNCHECKED_FIELD_NUMBER: _ClassVar[int]
    handle: int
    context: Context
    tensor: Tensor
    transfer: int
    write: bool
    unchecked: bool
    def __init__(self, handle: _Optional[int] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., tensor: _Optional[_Union[Tensor, _Mapping]] = ..., transfer: _Optional[int] = ..., write: bool = ..., unchecked: bool = ...) -> None: ...

class Read(_message.Message):
    __slots__ = ("request", "handle", "only_wait", "only_tracked")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    ONLY_WAIT_FIELD_NUMBER: _ClassVar[int]
    ONLY_TRACKED_FIELD_NUMBER: _ClassVar[int]
    request: int
    handle: int
    only_wait: bool
    only_tracked: bool
    def __init__(self, request: _Optional[int] = ..., handle: _Optional[int] = ..., only_wait: bool = ..., only_tracked: bool = ...) -> None: ...

class Publish(_message.Message):
    __slots__ = ("request", "handle", "transfer", "unchecked")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    UNCHECKED_FIELD_NUMBER: _ClassVar[int]
    request: int
    handle: int
    transfer: int
    unchecked: bool
    def __init__(self, request: _Optional[int] = ..., handle: _Optional[int] = ..., transfer: _Optional[int] = ..., unchecked: bool = ...) -> None: ...

class Barrier(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: int
    def __init__(self, request: _Optional[int] = ...) -> None: ...

class Mark(_message.Message):
    __slots__ = ("handles", "gradients", "requests")
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    handles: _containers.RepeatedScalarFieldContainer[int]
    gradients: _containers.RepeatedScalarFieldContainer[int]
    requests: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, handles: _Optional[_Iterable[int]] = ..., gradients: _Optional[_Iterable[int]] = ..., requests: _Optional[_Iterable[int]] = ...) -> None: ...

class Backward(_message.Message):
    __slots__ = ("heads", "head_gradients", "variables", "outputs", "retain_graph", "create_graph", "train_mode", "site", "request")
    HEADS_FIELD_NUMBER: _ClassVar[int]
    HEAD_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    RETAIN_GRAPH_FIELD_NUMBER: _ClassVar[int]
    CREATE_GRAPH_FIELD_NUMBER: _ClassVar[int]
    TRAIN_MODE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    heads: _containers.RepeatedScalarFieldContainer[int]
    head_gradients: _containers.RepeatedScalarFieldContainer[int]
    variables: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    retain_graph: bool
    create_graph: bool
    train_mode: bool
    site: int
    request: int
    def __init__(self, heads: _Optional[_Iterable[int]] = ..., head_gradients: _Optional[_Iterable[int]] = ..., variables: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., retain_graph: bool = ..., create_graph: bool = ..., train_mode: bool = ..., site: _Optional[int] = ..., request: _Optional[int] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("function", "inputs", "outputs", "site")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    function: int
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    site: int
    def __init__(self, function: _Optional[int] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., site: _Optional[int] = ...) -> None: ...

class Take(_message.Message):
    __slots__ = ("call", "handles")
    CALL_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    call: int
    handles: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, call: _Optional[int] = ..., handles: _Optional[_Iterable[int]] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("call", "gradients", "failed")
    CALL_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    call: int
    gradients: _containers.RepeatedScalarFieldContainer[int]
    failed: bool
    def __init__(self, call: _Optional[int] = ..., gradients: _Optional[_Iterable[int]] = ..., failed: bool = ...) -> None: ...

class Seed(_message.Message):
    __slots__ = ("thread", "seed", "for_context", "generator")
    class Generator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MXNET: _ClassVar[Seed.Generator]
        PHILOX: _ClassVar[Seed.Generator]
    MXNET: Seed.Generator
    PHILOX: Seed.Generator
    THREAD_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FOR_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_FIELD_NUMBER: _ClassVar[int]
    thread: int
    seed: int
    for_context: bool
    generator: Seed.Generator
    def __init__(self, thread: _Optional[int] = ..., seed: _Optional[int] = ..., for_context: bool = ..., generator: _Optional[_Union[Seed.Generator, str]] = ...) -> None: ...

class Summarize(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: int
    def __init__(self, request: _Optional[int] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ("request", "handle")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    request: int
    handle: int
    def __init__(self, request: _Optional[int] = ..., handle: _Optional[int] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("thread", "handle", "name", "initializer", "own", "start")
    THREAD_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INITIALIZER_FIELD_NUMBER: _ClassVar[int]
    OWN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    thread: int
    handle: int
    name: str
    initializer: str
    own: str
    start: Position
    def __init__(self, thread: _Optional[int] = ..., handle: _Optional[int] = ..., name: _Optional[str] = ..., initializer: _Optional[str] = ..., own: _Optional[str] = ..., start: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class Describe(_message.Message):
    __slots__ = ("request", "handles")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    request: int
    handles: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, request: _Optional[int] = ..., handles: _Optional[_Iterable[int]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("seed", "for_context", "parallel", "single")
    SEED_FIELD_NUMBER: _ClassVar[int]
    FOR_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_FIELD_NUMBER: _ClassVar[int]
    SINGLE_FIELD_NUMBER: _ClassVar[int]
    seed: int
    for_context: bool
    parallel: _containers.RepeatedScalarFieldContainer[int]
    single: int
    def __init__(self, seed: _Optional[int] = ..., for_context: bool = ..., parallel: _Optional[_Iterable[int]] = ..., single: _Optional[int] = ...) -> None: ...

class Name(_message.Message):
    __slots__ = ("name", "handle")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    handle: int
    def __init__(self, name: _Optional[str] = ..., handle: _Optional[int] = ...) -> None: ...

class Fetch(_message.Message):
    __slots__ = ("request", "name", "handle", "gradient")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    request: int
    name: str
    handle: int
    gradient: int
    def __init__(self, request: _Optional[int] = ..., name: _Optional[str] = ..., handle: _Optional[int] = ..., gradient: _Optional[int] = ...) -> None: ...

class Names(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: int
    def __init__(self, request: _Optional[int] = ...) -> None: ...

class Save(_message.Message):
    __slots__ = ("request", "transfer", "name", "own", "unchecked")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWN_FIELD_NUMBER: _ClassVar[int]
    UNCHECKED_FIELD_NUMBER: _ClassVar[int]
    request: int
    transfer: int
    name: str
    own: bool
    unchecked: bool
    def __init__(self, request: _Optional[int] = ..., transfer: _Optional[int] = ..., name: _Optional[str] = ..., own: bool = ..., unchecked: bool = ...) -> None: ...

class Restore(_message.Message):
    __slots__ = ("request", "stream", "name", "own")
    class Stream(_message.Message):
        __slots__ = ("transfer", "length", "unchecked")
        TRANSFER_FIELD_NUMBER: _ClassVar[int]
        LENGTH_FIELD_NUMBER: _ClassVar[int]
        UNCHECKED_FIELD_NUMBER: _ClassVar[int]
        transfer: int
        length: int
        unchecked: bool
        def __init__(self, transfer: _Optional[int] = ..., length: _Optional[int] = ..., unchecked: bool = ...) -> None: ...
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWN_FIELD_NUMBER: _ClassVar[int]
    request: int
    stream: Restore.Stream
    name: str
    own: bool
    def __init__(self, request: _Optional[int] = ..., stream: _Optional[_Union[Restore.Stream, _Mapping]] = ..., name: _Optional[str] = ..., own: bool = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("number", "heard")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    number: int
    heard: int
    def __init__(self, number: _Optional[int] = ..., heard: _Optional[int] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Detach(_message.Message):
    __slots__ = ("keep_seconds",)
    KEEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    keep_seconds: float
    def __init__(self, keep_seconds: _Optional[float] = ...) -> None: ...

class Down(_message.Message):
    __slots__ = ("welcome", "acknowledgement", "reply", "pong", "closed", "call", "detached", "number")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    acknowledgement: Acknowledgement
    reply: Reply
    pong: Pong
    closed: Failure
    call: Call
    detached: Detached
    number: int
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ..., reply: _Optional[_Union[Reply, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., closed: _Optional[_Union[Failure, _Mapping]] = ..., call: _Optional[_Union[Call, _Mapping]] = ..., detached: _Optional[_Union[Detached, _Mapping]] = ..., number: _Optional[int] = ...) -> None: ...

class Detached(_message.Message):
    __slots__ = ("keep_seconds",)
    KEEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    keep_seconds: float
    def __init__(self, keep_seconds: _Optional[float] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session", "lease_seconds", "received", "inline_limit", "devices", "server")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    INLINE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    lease_seconds: float
    received: int
    inline_limit: int
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    server: str
    def __init__(self, session: _Optional[bytes] = ..., lease_seconds: _Optional[float] = ..., received: _Optional[int] = ..., inline_limit: _Optional[int] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., server: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("context", "name", "memory", "memory_free")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FREE_FIELD_NUMBER: _ClassVar[int]
    context: Context
    name: str
    memory: int
    memory_free: int
    def __init__(self, context: _Optional[_Union[Context, _Mapping]] = ..., name: _Optional[str] = ..., memory: _Optional[int] = ..., memory_free: _Optional[int] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("sequence", "live_handles", "dropped_functions")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LIVE_HANDLES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    live_handles: int
    dropped_functions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, sequence: _Optional[int] = ..., live_handles: _Optional[int] = ..., dropped_functions: _Optional[_Iterable[int]] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("request", "call", "function", "last")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    request: int
    call: int
    function: int
    last: bool
    def __init__(self, request: _Optional[int] = ..., call: _Optional[int] = ..., function: _Optional[int] = ..., last: bool = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("request", "tensor", "done", "failure", "graph", "summary", "tracked", "fillings", "named", "names", "checkpoint")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    TRACKED_FIELD_NUMBER: _ClassVar[int]
    FILLINGS_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    request: int
    tensor: Tensor
    done: bool
    failure: Failure
    graph: Graph
    summary: TapeSummary
    tracked: bool
    fillings: Fillings
    named: NamedTensor
    names: NameList
    checkpoint: Checkpoint
    def __init__(self, request: _Optional[int] = ..., tensor: _Optional[_Union[Tensor, _Mapping]] = ..., done: bool = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., graph: _Optional[_Union[Graph, _Mapping]] = ..., summary: _Optional[_Union[TapeSummary, _Mapping]] = ..., tracked: bool = ..., fillings: _Optional[_Union[Fillings, _Mapping]] = ..., named: _Optional[_Union[NamedTensor, _Mapping]] = ..., names: _Optional[_Union[NameList, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ...) -> None: ...

class NamedTensor(_message.Message):
    __slots__ = ("tensor", "context", "gradient_request")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_REQUEST_FIELD_NUMBER: _ClassVar[int]
    tensor: Tensor
    context: Context
    gradient_request: int
    def __init__(self, tensor: _Optional[_Union[Tensor, _Mapping]] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., gradient_request: _Optional[int] = ...) -> None: ...

class NameList(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("nbytes", "created", "names", "tensors", "left_graphs")
    NBYTES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    LEFT_GRAPHS_FIELD_NUMBER: _ClassVar[int]
    nbytes: int
    created: float
    names: _containers.RepeatedScalarFieldContainer[str]
    tensors: int
    left_graphs: int
    def __init__(self, nbytes: _Optional[int] = ..., created: _Optional[float] = ..., names: _Optional[_Iterable[str]] = ..., tensors: _Optional[int] = ..., left_graphs: _Optional[int] = ...) -> None: ...

class Fillings(_message.Message):
    __slots__ = ("fillings",)
    class Filling(_message.Message):
        __slots__ = ("known", "name", "initializer", "own", "position")
        KNOWN_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        INITIALIZER_FIELD_NUMBER: _ClassVar[int]
        OWN_FIELD_NUMBER: _ClassVar[int]
        POSITION_FIELD_NUMBER: _ClassVar[int]
        known: bool
        name: str
        initializer: str
        own: str
        position: Position
        def __init__(self, known: bool = ..., name: _Optional[str] = ..., initializer: _Optional[str] = ..., own: _Optional[str] = ..., position: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...
    FILLINGS_FIELD_NUMBER: _ClassVar[int]
    fillings: _containers.RepeatedCompositeFieldContainer[Fillings.Filling]
    def __init__(self, fillings: _Optional[_Iterable[_Union[Fillings.Filling, _Mapping]]] = ...) -> None: ...

class TapeSummary(_message.Message):
    __slots__ = ("rows", "nodes", "nbytes", "tape_only")
    class Row(_message.Message):
        __slots__ = ("op", "site", "nodes", "nbytes", "tape_only")
        OP_FIELD_NUMBER: _ClassVar[int]
        SITE_FIELD_NUMBER: _ClassVar[int]
        NODES_FIELD_NUMBER: _ClassVar[int]
        NBYTES_FIELD_NUMBER: _ClassVar[int]
        TAPE_ONLY_FIELD_NUMBER: _ClassVar[int]
        op: str
        site: int
        nodes: int
        nbytes: int
        tape_only: int
        def __init__(self, op: _Optional[str] = ..., site: _Optional[int] = ..., nodes: _Optional[int] = ..., nbytes: _Optional[int] = ..., tape_only: _Optional[int] = ...) -> None: ...
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    NBYTES_FIELD_NUMBER: _ClassVar[int]
    TAPE_ONLY_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[TapeSummary.Row]
    nodes: int
    nbytes: int
    tape_only: int
    def __init__(self, rows: _Optional[_Iterable[_Union[TapeSummary.Row, _Mapping]]] = ..., nodes: _Optional[int] = ..., nbytes: _Optional[int] = ..., tape_only: _Optional[int] = ...) -> None: ...

class Graph(_message.Message):
    __slots__ = ("calls", "nodes", "output")
    class Call(_message.Message):
        __slots__ = ("op", "attributes", "spelled", "outputs")
        class AttributesEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: Attribute
            def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Attribute, _Mapping]] = ...) -> None: ...
        class SpelledEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        OP_FIELD_NUMBER: _ClassVar[int]
        ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
        SPELLED_FIELD_NUMBER: _ClassVar[int]
        OUTPUTS_FIELD_NUMBER: _ClassVar[int]
        op: str
        attributes: _containers.MessageMap[str, Attribute]
        spelled: _containers.ScalarMap[str, str]
        outputs: _containers.RepeatedCompositeFieldContainer[Tensor]
        def __init__(self, op: _Optional[str] = ..., attributes: _Optional[_Mapping[str, Attribute]] = ..., spelled: _Optional[_Mapping[str, str]] = ..., outputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...
    class Node(_message.Message):
        __slots__ = ("kind", "number", "call", "words", "inputs")
        class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            OP: _ClassVar[Graph.Node.Kind]
            VARIABLE: _ClassVar[Graph.Node.Kind]
            CONSTANT: _ClassVar[Graph.Node.Kind]
        OP: Graph.Node.Kind
        VARIABLE: Graph.Node.Kind
        CONSTANT: Graph.Node.Kind
        KIND_FIELD_NUMBER: _ClassVar[int]
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        CALL_FIELD_NUMBER: _ClassVar[int]
        WORDS_FIELD_NUMBER: _ClassVar[int]
        INPUTS_FIELD_NUMBER: _ClassVar[int]
        kind: Graph.Node.Kind
        number: int
        call: int
        words: _containers.RepeatedScalarFieldContainer[int]
        inputs: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, kind: _Optional[_Union[Graph.Node.Kind, str]] = ..., number: _Optional[int] = ..., call: _Optional[int] = ..., words: _Optional[_Iterable[int]] = ..., inputs: _Optional[_Iterable[int]] = ...) -> None: ...
    CALLS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[Graph.Call]
    nodes: _containers.RepeatedCompositeFieldContainer[Graph.Node]
    output: int
    def __init__(self, calls: _Optional[_Iterable[_Union[Graph.Call, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[Graph.Node, _Mapping]]] = ..., output: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("reason", "message", "op", "argument", "got", "expected", "site")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    ARGUMENT_FIELD_NUMBER: _ClassVar[int]
    GOT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    op: str
    argument: str
    got: str
    expected: str
    site: int
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., op: _Optional[str] = ..., argument: _Optional[str] = ..., got: _Optional[str] = ..., expected: _Optional[str] = ..., site: _Optional[int] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("transfer", "offset", "data", "last", "checksum")
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    transfer: int
    offset: int
    data: bytes
    last: bool
    checksum: int
    def __init__(self, transfer: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., last: bool = ..., checksum: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("received",)
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    received: int
    def __init__(self, received: _Optional[int] = ...) -> None: ...

class ReceivedRequest(_message.Message):
    __slots__ = ("transfer",)
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    transfer: int
    def __init__(self, transfer: _Optional[int] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("transfer", "offset")
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    transfer: int
    offset: int
    def __init__(self, transfer: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...
