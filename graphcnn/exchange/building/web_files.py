"""For JavaScript: the loader of a module, and its types. They work in browsers, Node and Deno."""

import json

from graphcnn.exchange.building.contract import Contract, Tensor, about_of
from graphcnn.ir.tensor_type import DType

#: Arrays of JavaScript by element type; of numbers that are stored only, of their bits.
ARRAYS = {
    DType.FLOAT32: "Float32Array",
    DType.FLOAT64: "Float64Array",
    DType.INT64: "BigInt64Array",
    DType.UINT64: "BigUint64Array",
    **{d: f"{d.numpy.name.capitalize().replace('Ui', 'UI')}Array"
       for d in DType if d.numpy.kind in "iu" and d.bytes < 8},
}  # fmt: skip

_LOADER = """\
// {name}, built by {made_by} for {machine} ({precision} precision).
export const about = {about};

// Ready to run: `const network = await load(); const scores = network.run(numbers);`
// `source`: where the module is, a URL, a Response, or its bytes.
export async function load(source = new URL("./{name}.wasm", import.meta.url){weights_argument}) {{
  const {{ exports }} = (await WebAssembly.instantiate(await bytesOf(source))).instance;
  if (!exports.{name}_run) throw new Error("{name}: the module is that of another network");
  const {{ memory, arena }} = exports;
  const view = ({{ name, count }}, Kind) => new Kind(memory.buffer, exports[name].value, count);
{fill}  const inputs = [{inputs}];
  const outputs = [{outputs}];
  const at = [...about.inputs, ...about.outputs].map(({{ name }}) => exports[name].value);
  return {{
    run(...numbers) {{
      if (numbers.length !== inputs.length)
        throw new TypeError(`expected ${{inputs.length}} inputs, found ${{numbers.length}}`);
      about.inputs.forEach(({{ name, count, type }}, i) => {{
        const given = numbers[i];
        if (!Array.isArray(given) && !(ArrayBuffer.isView(given) && "length" in given))
          throw new TypeError(`${{name}}: expected an array of numbers, found ${{typeof given}}`);
        if (given.length !== count)
          throw new RangeError(`${{name}}: expected ${{count}} numbers, found ${{given.length}}`);
        try {{
          inputs[i].set(given);
        }} catch (error) {{
          throw new TypeError(`${{name}}, of ${{type}}: ${{error.message}}`);
        }}
      }});
      exports.{name}_run(...at, {weights_value}arena.value);
      {result}
    }},
  }};
}}

async function bytesOf(given) {{
  let source = await given;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return source;
  if (!(source instanceof Response)) {{
    if (typeof source !== "string" && !(source instanceof URL))
      throw new TypeError(`expected a URL, a Response or bytes, found ${{source}}`);
    const url = new URL(source, import.meta.url);
    if (url.protocol === "file:") return (await import("node:fs/promises")).readFile(url);
    source = await fetch(url);
  }}
  if (!source.ok) throw new Error(`${{source.url}}: ${{source.status}} ${{source.statusText}}`);
  return source.arrayBuffer();
}}
"""

#: The weights of a file into the memory of the module.
_FILL = """\
  const given = await bytesOf(weights);
  if (given.byteLength !== {bytes})
    throw new RangeError(`{name}.weights: expected {bytes} bytes, found ${{given.byteLength}}`);
  const bytes = ArrayBuffer.isView(given) ? [given.buffer, given.byteOffset] : [given, 0];
  new Uint8Array(memory.buffer, exports.weights.value).set(new Uint8Array(...bytes, {bytes}));
"""

_TYPES = """\
// {name}, built by {made_by} for {machine}.
export interface Tensor {{
  name: string;
  shape: number[];
  count: number;
  type: string;
}}
export const about: {{
  name: string;
  inputs: Tensor[];
  outputs: Tensor[];
  classes: string[];
  /** How levels 0 to 255 become the first input: (level * scale - mean) / std; null where that is
   *  done inside, or where nothing is known. */
  normalisation: {{ mean: number[]; std: number[]; scale: number }} | null;
  hash: string;
}};
export interface Network {{
  /** Computes one batch. Inputs: {inputs_told}. */
  run({inputs}): {result};
}}
export type Source = string | URL | Response | ArrayBuffer | ArrayBufferView;
export function load(source?: Source | Promise<Source>{weights}): Promise<Network>;
"""


def array_of(dtype: DType) -> str:
    return ARRAYS.get(dtype, f"Uint{8 * dtype.bytes}Array")


def loader(of: Contract) -> str:
    """`NAME.mjs`."""
    one = len(of.outputs) == 1
    pairs = ", ".join(f"{t.name}: outputs[{i}].slice()" for i, t in enumerate(of.outputs))
    return _LOADER.format(
        name=of.name,
        made_by=of.made_by,
        machine=of.machine,
        precision=of.precision,
        about=json.dumps(about_of(of), indent=2, ensure_ascii=False),
        inputs=_views("inputs", of.inputs),
        outputs=_views("outputs", of.outputs),
        result="return outputs[0].slice();" if one else f"return {{ {pairs} }};",
        weights_argument=""
        if of.inside
        else f', weights = new URL("./{of.name}.weights", import.meta.url)',
        fill="" if of.inside else _FILL.format(name=of.name, bytes=of.weights),
        weights_value="" if of.inside else "exports.weights.value, ",
    )


def types(of: Contract) -> str:
    """`NAME.d.mts`, where TypeScript looks for the types of `NAME.mjs`."""
    numbers = {DType.INT64: "ArrayLike<bigint>", DType.UINT64: "ArrayLike<bigint>"}
    inputs = ", ".join(f"{t.name}: {numbers.get(t.dtype, 'ArrayLike<number>')}" for t in of.inputs)
    pairs = "; ".join(f"{t.name}: {array_of(t.dtype)}" for t in of.outputs)
    one = len(of.outputs) == 1
    return _TYPES.format(
        name=of.name,
        made_by=of.made_by,
        machine=of.machine,
        inputs=inputs,
        inputs_told=", ".join(f"{t.name} {list(t.shape)}" for t in of.inputs) or "none",
        result=array_of(of.outputs[0].dtype) if one else f"{{ {pairs} }}",
        weights="" if of.inside else ", weights?: Source | Promise<Source>",
    )


def _views(kind: str, tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"view(about.{kind}[{i}], {array_of(t.dtype)})" for i, t in enumerate(tensors))
