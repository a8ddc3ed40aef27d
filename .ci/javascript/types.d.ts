// What the page's scripts take from the package's tables, and what they hand to each other.

interface Activation {
  name: string;
  formula: string;
  free: string | null;
  standard: number;
  degree: number | null;
  near: [number, number] | null;
  far: [number, number] | null;
  saturation: [number | null, number | null] | null;
  unit: number;
  kinks: number[];
  straight: boolean;
  period: number | null;
  value(x: number, p: number): number;
  slope(x: number, p: number): number;
  apply(
    z: Float32Array, n: number, scale: number, p: number, a: Float32Array, up: number, d: Float32Array, steep: number,
  ): void;
}
interface Scheme {
  law: string;
  variance: string;
  shape: "normal" | "uniform" | "orthogonal";
  factor: number;
  power: number;
  biasShape: "normal" | "uniform";
  biasFactor: number;
}
interface Limits {
  stable: number;
  broken: number;
  preserved: number;
  fading: number;
  fewest: number;
  mostAdvised: number;
  order: string[];
  student: number[];
}
declare const ACTIVATIONS: Record<string, Activation>;
declare const SCHEMES: Record<string, Scheme>;
declare const LIMITS: Limits;
declare const WORDS: { size: Record<string, [string, string]>; samples: Record<string, string> };
declare const START: string;

interface Net {
  activation: string;
  slope: number;
  scheme: string;
  gain: number;
  bias: number | null;
  depth: number;
  width: number;
  batch: number;
  norm: string;
  residual: number | null;
}
interface State extends Net {
  seed: number;
  axes: number;
  keep: number;
  guess: number;
  ask: string;
  answer: string;
  presenter: number;
}
interface Draw { weights: Float32Array[]; biases: Float32Array[] }
interface Trace {
  slopes: number[];
  inverses: { inverse: Float64Array; exponent: number }[];
  seen: number[];
  sources: Float32Array[];
  exponents: number[];
}
interface Pass { rows: number; forward: Tally; backward: Tally; clouds: number[][][] }
interface Moments { second: number; mean: number; slope: number }
interface Signal { log: number; mean: number; share: number }
interface Step { moments: Moments; z: Signal; size: number; isBatch: boolean }
interface Theory { outputs: Signal[]; gradients: number[]; chi: number[]; steps: Step[] }
interface Way { label: string; total: number | null; half: number | null; deep: number | null }
interface Verdict { forward: Way; backward: Way; signal: Way }
interface View { depth: number; reach: number; draws: Statistics[]; theory: Theory | null; shown: number }
interface Progress { steps: number; losses: number[]; loss: number; surface: Float32Array; points: Float32Array; failed: boolean }
// Named apart from the browser's own Request.
interface Asked {
  id: number;
  kind: "draw" | "theory" | "train" | "learn";
  net: Net;
  nets: Net[];
  seed: number;
  rate: number;
  from: number;
  to: number;
  circle: boolean;
  theory: boolean;
  slot: number;
}
