"""Snippets of random numbers and initializers: the numbers of MXNet for a seed, texts and refusals."""

from __future__ import annotations

from .snippets import Table, table

_SEED = "mx.random.seed(42)\n"

DRAWS: Table = table(
    *(
        f"{_SEED}{call}"
        for call in (
            "nd.random.uniform(shape=(3, 4))", "nd.random.uniform(-2, 5, shape=6)", "nd.random.uniform()",
            "mx.random.uniform(0, 1, (2,), dtype='float64')",
            "nd.random.uniform(shape=(2,), dtype='float16')",
            "nd.random.normal(shape=(5,))", "nd.random.normal(3, 0.5, shape=(2, 2))", "nd.random.randn(2, 3)",
            "nd.random.randn(4, loc=5, scale=2)", "nd.random.exponential(2.0, shape=(4,))",
            "nd.random.randint(0, 10, shape=(6,))", "nd.random.randint(-5, 5, (3,), dtype='int64')",
            "nd.random.multinomial(nd.array([0.2, 0.3, 0.5]), shape=8)",
            "nd.random.multinomial(nd.array([[0, 1], [1, 0]]))",
            "nd.random.multinomial(nd.array([0.5, 0.5]), shape=3, get_prob=True)",
            "nd.random.shuffle(nd.arange(10))", "nd.shuffle(nd.arange(6).reshape((3, 2)))",
            "nd.random.uniform(nd.array([0, 10]), nd.array([1, 20]), shape=3)",
            "nd.random.normal(nd.array([0, 10]), nd.array([1, 2]))",
            "nd.random.uniform_like(nd.zeros((3,)), 1, 2)", "nd.random.normal_like(nd.zeros((2, 2)))",
            "o = nd.zeros((3,)); nd.random.uniform(out=o); o",
            "o = nd.zeros((3,)); nd.random.normal(1, 2, out=o) is o",
            "o = nd.zeros((2,), dtype='float64'); nd.random.uniform(out=o); o",
            "(nd.random.uniform(shape=3), nd.random.normal(shape=3), nd.random.uniform(shape=3))",
            "nd.random.uniform(shape=3); mx.random.seed(42); nd.random.uniform(shape=3)",
            "nd.random_uniform(shape=(2,))", "nd.uniform(shape=(2,))", "nd.normal(shape=(2,))",
            "nd.sample_normal(nd.array([0, 1]), nd.array([1, 2]), shape=2)",
            "nd.Dropout(nd.ones((20,)), p=0.5, mode='always')",
            "with autograd.train_mode(): y = nd.Dropout(nd.ones((20,)), p=0.5)\ny",
        )
    ),
    "mx.random.seed(7, ctx=mx.cpu()); (nd.random.uniform(shape=3), nd.random.shuffle(nd.arange(5)))",
    "mx.random.seed(-3); nd.random.uniform(shape=3)",
    "mx.random.seed(np.int64(5)); nd.random.uniform(shape=2)",
    "mx.random.seed(1.5)",
    "mx.random.seed('x')",
    "nd.random.uniform(nd.array([0]), 1)",
    "nd.random.uniform('x', 1)",
    "nd.random.normal(0, -1, shape=2)",
    "nd.random.uniform(shape=(2,), dtype='int32')",
    "nd.random.shuffle([1, 2])",
    "nd.random.uniform(shape=(2, -1))",
)  # fmt: skip

_WEIGHT = "w = nd.zeros({shape}); mx.random.seed(3); mx.init.{init}(mx.init.InitDesc('fc_weight'), w); w"

WEIGHTS: Table = {
    f"{init} {shape}": _WEIGHT.format(shape=shape, init=init)
    for init in (
        "Zero()", "One()", "Constant(3)", "Constant(0.5)", "Uniform()", "Uniform(2)", "Normal()",
        "Normal(0.5)",
        "Xavier()", "Xavier('gaussian')", "Xavier('gaussian', 'in', 2.34)", "Xavier('uniform', 'out', 6)",
        "Xavier(factor_type='nonsense')", "Xavier(rnd_type='nonsense')", "MSRAPrelu()",
        "MSRAPrelu('out', 0.1)",
    )
    for shape in ("(3, 4)", "(2, 3, 2, 2)", "(5,)")
}  # fmt: skip

_NAMED = "w = nd.ones((2, 2)) * 5; mx.random.seed(3); mx.init.Uniform()(mx.init.InitDesc('{}'), w); w"

INITIALIZERS: Table = table(
    *(
        _NAMED.format(name)
        for name in ("a_bias", "a_gamma", "a_beta", "a_min", "a_max", "a_weight", "WEIGHT",
                     "a_moving_mean", "a",
                     "running_var", "a_weight_quantize", "a_bias_quantize")
    ),
    *(
        f"w = nd.ones((2,)) * 5; mx.init.Zero()('{name}', w); w"
        for name in ("a_bias", "a_moving_mean", "a_moving_var", "a_moving_inv_var", "a_moving_avg",
                     "a_weight", "a")
    ),
    *(
        f"mx.init.{init}.dumps()"
        for init in ("Zero()", "One()", "Constant(3)", "Uniform()", "Uniform(2)", "Normal(0.5)", "Xavier()",
                     "Xavier('gaussian', 'in', 2)", "MSRAPrelu()", "MSRAPrelu('in', 0)", "Orthogonal()",
                     "Orthogonal(1, 'normal')", "Constant(nd.array([1, 2]))")
    ),
    *(f"mx.init.create({given}).dumps()" for given in (
        "'zeros'", "'ONES'", "'xavier', magnitude=2", "mx.init.Zero()", "'[\"normal\", {\"sigma\": 3}]'",
        "'{\"initializer\": \"uniform\", \"scale\": 2}'", "'nonsense'", "'msraprelu'",
        "'orthogonal', scale=2",
    )),
    "mx.init.Xavier() == mx.init.Xavier()",
    "mx.init.Xavier() == mx.init.Xavier(magnitude=2)",
    "mx.init.Zero() == mx.init.One()",
    "hash(mx.init.Zero())",
    "w = nd.zeros((2,)); mx.init.Zero()(mx.init.InitDesc('x', {'__init__': 'ones'}), w); w",
    "w = nd.zeros((2,)); mx.init.Zero()("
    "mx.init.InitDesc('x_bias', {'__init__': mx.init.One().dumps()}), w); w",
    "w = nd.zeros((2,)); mx.init.Zero()(mx.init.InitDesc('x_bias', {'__init__': ''}), w); w",
    "d = mx.init.InitDesc('x_bias', {'lr': '1'}); (d, d.attrs, d.global_init)",
    "w = nd.zeros((2,)); mx.init.Constant([1, 2])(mx.init.InitDesc('x_weight'), w); w",
    "w = nd.zeros((2, 2)); mx.init.Constant(nd.array([1, 2]))(mx.init.InitDesc('x_weight'), w); w",
    "w = nd.zeros((2,)); mx.init.Zero()(3, w)",
    "w = nd.zeros((2,)); mx.init.Initializer()(mx.init.InitDesc('x_weight'), w)",
    "@mx.init.register\nclass Half(mx.init.Initializer):\n  def _init_weight(self, name, arr): arr[:] = 0.5\n"
    "w = nd.zeros((2,)); mx.init.create('half')(mx.init.InitDesc('x_weight'), w); w",
    "@mx.init.register\nclass Scaled(mx.init.Initializer):\n  def __init__(self, k):\n"
    "    super().__init__(k=k); self.k = k\n"
    "  def _init_weight(self, name, arr): arr[:] = nd.random.uniform(shape=arr.shape) * self.k\n"
    "mx.random.seed(1); w = nd.zeros((2, 2)); i = mx.init.Scaled if hasattr(mx.init, 'Scaled') else Scaled\n"
    "i(3)(mx.init.InitDesc('x_weight'), w); (w, i(3).dumps())",
)  # fmt: skip
