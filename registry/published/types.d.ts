// Types of the registry's records, schema version 1.0.0; generated, do not edit.
// A property that is absent is unknown.

/** Another name of a model, and whose name it is. */
export interface Alias {
  kind: "huggingface" | "modelscope" | "models_dev" | "gpustack";
  id: string;
}

/** A name that several models could bear; no link was made. */
export interface Ambiguity {
  kind: "huggingface" | "modelscope" | "models_dev" | "gpustack";
  id: string;
  candidates?: string[];
  reason: string;
}

/** How a key is shown. */
export interface Auth {
  scheme: "bearer" | "header" | "query" | "none";
  name?: string;
}

/** The model that answers `share` of the sessions instead; falls back to the primary when it fails. */
export interface Canary {
  /** model id, or provider/model for one seller of it */
  model: string;
  /** of sessions; a larger share keeps those of a smaller one */
  share: number;
}

/** True, false, or null where no source says. */
export interface Capabilities {
  attachment?: boolean | null;
  reasoning?: boolean | null;
  tool_call?: boolean | null;
  structured_output?: boolean | null;
  temperature?: boolean | null;
}

/** One difference between two builds. */
export interface Change {
  record: string;
  change: "added" | "removed" | "changed";
  field?: string | null;
  before?: JsonValue;
  after?: JsonValue;
  observed_at?: string | null;
}

/** How requests of one class are routed when they leave the choice of the model to the router. */
export interface ClassPolicy {
  /** until the first byte of an answer, over all attempts */
  deadline_s: number;
  weights: Weights;
}

/** How often one client may ask; a client is a token, or an address where no token is set. */
export interface ClientLimits {
  requests_per_minute: number;
  /** at once; null: a minute's requests */
  burst?: number | null;
}

/** Two sources that disagree; the losing value is kept here. */
export interface Conflict {
  record: string;
  field: string;
  chosen?: JsonValue;
  chosen_source: "models_dev" | "gpustack" | "huggingface" | "modelscope" | "override";
  other?: JsonValue;
  other_source: "models_dev" | "gpustack" | "huggingface" | "modelscope" | "override";
  rule: string;
}

/** One outside name of one model, and the rule that linked them. */
export interface CrosswalkLink {
  kind: "huggingface" | "modelscope" | "models_dev" | "gpustack";
  id: string;
  model: string;
  rule: string;
  confidence: number;
  evidence?: string | null;
}

/** A launch recipe that a source publishes for one variant. */
export interface Deployment {
  id: string;
  model: string;
  variant: string;
  source: "gpustack";
  catalogue: "huggingface" | "modelscope";
  set_name: string;
  /** place in its set: the first match of a mode wins */
  position: number;
  mode: string;
  quantization?: string | null;
  engine: string;
  engine_version?: string | null;
  parameters?: string[];
  env?: Record<string, string>;
  gpu_filter?: GpuFilter | null;
  categories?: string[];
  speculative?: Record<string, string> | null;
  /** measured claim that the recipe states */
  vram_claim_bytes?: number | null;
}

/** Mode `direct`: this process calls the providers itself. */
export interface DirectRouting {
  providers: RouterProvider[];
}

/** One operation below the base URL; `path` may hold `{model}`. */
export interface Endpoint {
  operation: string;
  method: "GET" | "POST";
  path: string;
  /** answers with server-sent events */
  streams?: boolean;
  query?: Record<string, string>;
  /** fields that every request has */
  fixed?: Record<string, boolean>;
  /** true when the provider is known to have it; null: its format usually does */
  expected?: boolean | null;
}

/** Why a field has its value. */
export interface Evidence {
  field: string;
  standing: "stated" | "derived" | "inferred";
  /** models_dev, openapi, override, or a rule table under registry/ */
  source: string;
  /** field, page or file that says so */
  locator: string;
  rule: string;
  /** words of the text, when inferred */
  quote?: string | null;
}

/** Which accelerators a recipe is for, in GPUStack's terms. */
export interface GpuFilter {
  vendors?: string[];
  /** PEP 440 specifier, such as >=9.0 */
  compute_capability?: string | null;
  vendor_variant?: string | null;
}

/** One card (or MIG instance). Rates are per card; FLOPS are dense tensor-core figures; None is unknown. `sources` names the source key of every value, `conflicts` the values of other sources that disagree; the keys are explained in `registry/gpu_profiles/sources.json`. */
export interface GpuProfile {
  id: string;
  name: string;
  vendor: string;
  architecture: string;
  memory_gib_marketing: number;
  memory_class: string;
  aliases?: string[];
  compute_capability?: string | null;
  gfx?: string | null;
  memory_bytes?: number | null;
  memory_gib_driver?: number | null;
  memory_gib_driver_low?: number | null;
  memory_gib_driver_high?: number | null;
  unified_memory?: boolean;
  bandwidth_gb_s?: number | null;
  tflops_dense?: Record<string, number>;
  interconnect?: string | null;
  interconnect_gb_s?: number | null;
  price_usd_per_hour?: number | null;
  mig_parent?: string | null;
  mig_compute_slices?: number | null;
  mig_memory_slices?: number | null;
  sources?: Record<string, string>;
  conflicts?: Record<string, unknown>[];
}

/** `index.json`; made from the inputs alone, so equal inputs give an equal file. */
export interface Index {
  schema_version: string;
  generator: string;
  /** when the newest document of any source was fetched (UTC) */
  data_as_of?: string | null;
  sources: SourceState[];
  counts: Record<string, number>;
  /** fit cells by verdict */
  verdicts?: Record<string, number>;
  files: PublishedFile[];
}

export type JsonValue = unknown;

/** What a provider allows one key; sliding windows of a minute and of a day. Null: no limit is known. */
export interface KeyLimits {
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
  requests_per_day?: number | null;
}

/** Token limits; null when a source gives none or gives zero. */
export interface Limits {
  context?: number | null;
  input?: number | null;
  output?: number | null;
}

/** An engine that answers OpenAI's format below `base_url`; tried before every seller of its model. */
export interface LocalDeployment {
  name: string;
  /** id or alias of the catalogue's model, or a new id */
  model: string;
  base_url: string;
  /** the name that the engine knows the model by */
  served_model: string;
  key?: string | null;
  /** tokens; null while unknown */
  context?: number | null;
  /** modalities of a model new to the catalogue */
  input?: string[];
  /** share among deployments of the same model */
  weight?: number;
  /** what it costs you: USD per million tokens */
  input_price?: number | null;
  /** what it costs you: USD per million tokens */
  output_price?: number | null;
}

/** What goes in and comes out: text, image, audio, video, pdf; sorted. */
export interface Modalities {
  input?: string[];
  output?: string[];
}

/** One model, whoever serves it; `id` is `lab/name` in lower case. */
export interface Model {
  id: string;
  name: string;
  lab: string;
  family?: string | null;
  category?: "llm" | "vlm" | "embedding" | "reranker" | "image" | "video" | "speech_to_text" | "text_to_speech" | null;
  status?: "stable" | "beta" | "experimental" | "deprecated" | null;
  status_reason?: string | null;
  open_weights?: boolean | null;
  capabilities?: Capabilities;
  modalities?: Modalities;
  limits?: Limits;
  parameters?: Parameters;
  architectures?: string[];
  model_type?: string | null;
  licenses?: string[];
  release_date?: string | null;
  last_updated?: string | null;
  knowledge?: string | null;
  tags?: string[];
  urls?: Record<string, string>;
  aliases?: Alias[];
  /** ids of its weights, official one first */
  variants?: string[];
  /** how many sellers' offers name it */
  offers?: number;
  /** how many launch recipes name it */
  deployments?: number;
}

/** The whole document; `models` is keyed by the checkpoint's id. */
export interface ModelsRegistry {
  version: string;
  last_updated: string | null;
  categories: Record<string, ViewCategory>;
  models: Record<string, ViewEntry>;
}

/** One seller's terms for one model; `id` is `provider/model` in the seller's own spelling. */
export interface Offer {
  id: string;
  provider: string;
  provider_model: string;
  /** null while no rule links it to one model */
  model?: string | null;
  name: string;
  family?: string | null;
  status?: "stable" | "beta" | "experimental" | "deprecated" | null;
  price?: Price | null;
  capabilities?: Capabilities;
  modalities?: Modalities;
  limits?: Limits;
  open_weights?: boolean | null;
  reasoning_efforts?: string[];
  release_date?: string | null;
  last_updated?: string | null;
  knowledge?: string | null;
  /** where it differs from its provider's */
  api_type?: "openai-compatible" | "anthropic-compatible" | "custom" | null;
  base_url?: string | null;
  /** when these terms were first seen (UTC, ISO 8601) */
  observed_at: string;
}

/** A hand-kept correction; wins over every source and says why. */
export interface Override {
  record: string;
  field: string;
  value: JsonValue;
  reason: string;
  /** where the corrected value can be checked */
  source?: string | null;
  /** upstream's value when this was written; a different one flags the override */
  expected_upstream?: JsonValue;
  author: string;
  date: string;
}

/** A request field that some of the provider's models take. */
export interface Parameter {
  name: string;
  kind: "number" | "integer" | "text" | "flag" | "object" | "list" | "choice" | "any";
  choices?: string[];
  /** how many of its models take it; null: not counted */
  models?: number | null;
}

/** Parameter counts of one model or checkpoint (numbers, not billions). */
export interface Parameters {
  total?: number | null;
  active?: number | null;
}

/** What a seller asked before its present offer. */
export interface PastTerms {
  offer: string;
  observed_at: string;
  until: string;
  price?: Price | null;
  limits?: Limits;
  status?: "stable" | "beta" | "experimental" | "deprecated" | null;
}

/** Bounds and rules of every request; seconds, bytes and counts. */
export interface Policy {
  max_body_bytes: number;
  connect_timeout_s: number;
  /** from the request sent to the first byte back */
  first_byte_timeout_s: number;
  /** longest pause within an answer */
  silence_timeout_s: number;
  max_attempts: number;
  /** upstream answers that send a request onwards */
  fallback_statuses: number[];
  max_fallbacks_per_model: number;
  /** of clients; more are answered 503 */
  max_connections?: number;
  /** for a client to send its request */
  client_timeout_s?: number;
  /** null: as often as they like */
  client_limits?: ClientLimits | null;
  /** rest of a key that was refused */
  key_degradation_s?: number;
  /** after it the keys' usage scores start over; null: never */
  key_reset_interval_s?: number | null;
  /** after a 429 without Retry-After */
  rate_limit_rest_s?: number;
  failures_before_cooldown?: number;
  /** first rest of a failing target; doubles */
  cooldown_s?: number;
  max_cooldown_s?: number;
  /** null: no active probes */
  probe_interval_s?: number | null;
  /** at once; what exceeds them is not mirrored */
  max_shadow_requests?: number;
  /** for a whole mirrored answer */
  shadow_timeout_s?: number;
  classes?: Record<string, ClassPolicy>;
  refinement?: RefinementPolicy;
}

/** USD per million tokens; null where the seller names none (zero means free of charge). */
export interface Price {
  input?: number | null;
  output?: number | null;
  cache_read?: number | null;
  cache_write?: number | null;
  reasoning?: number | null;
  input_audio?: number | null;
  output_audio?: number | null;
  tiers?: PriceTier[];
}

/** A price that holds above a context size. */
export interface PriceTier {
  above_context_tokens: number;
  input?: number | null;
  output?: number | null;
  cache_read?: number | null;
  cache_write?: number | null;
}

/** The source of one published field. */
export interface Provenance {
  /** model:ID, variant:ID, offer:ID or deployment:ID */
  record: string;
  /** * when all fields come from the one source */
  field: string;
  source: "models_dev" | "gpustack" | "huggingface" | "modelscope" | "override";
  url?: string | null;
  fetched_at?: string | null;
  document_sha256?: string | null;
  rule: string;
}

/** A seller of API access. */
export interface Provider {
  id: string;
  name: string;
  api_type: "openai-compatible" | "anthropic-compatible" | "custom";
  base_url?: string | null;
  npm?: string | null;
  /** environment variables that its clients read keys from */
  env?: string[];
  doc?: string | null;
  offers?: number;
}

/** Everything that a client is generated from. */
export interface ProviderInterface {
  provider: string;
  name: string;
  api_type?: "openai-compatible" | "anthropic-compatible" | "custom" | null;
  /** may hold ${VARIABLES} of the account */
  base_url?: string | null;
  auth?: Auth | null;
  /** variables that its own clients read keys from */
  key_env?: string[];
  headers?: Record<string, string>;
  endpoints?: Endpoint[];
  parameters?: Parameter[];
  /** offers that models.dev lists for this interface */
  models?: number | null;
  /** offers of the provider that speak another format, or elsewhere */
  other_formats?: Record<string, number>;
  evidence?: Evidence[];
  /** what is needed and not known, a line each */
  missing?: string[];
  /** a human has confirmed what is inferred */
  confirmed?: boolean;
}

/** A file of the published registry. */
export interface PublishedFile {
  path: string;
  bytes: number;
  sha256: string;
  rows?: number | null;
  /** name of the schema that each row follows */
  record?: string | null;
}

/** How a checkpoint stores its weights, in the words of its own configuration. */
export interface Quantization {
  /** bf16, fp16, fp32, fp8, mxfp8, int8, w8a8-int8, awq, gptq, int4, nvfp4, mxfp4, gguf, ... */
  scheme: string;
  /** quant_method of the checkpoint's configuration */
  method?: string | null;
  bits?: number | null;
  group_size?: number | null;
  /** KV cache dtype that the checkpoint asks for */
  kv_cache_dtype?: string | null;
  evidence?: "config" | "safetensors" | "recipe" | "repo_name";
}

/** A checkpoint, engine and split that is expected to start; `id` is `model@gpu:count`. */
export interface ReferencePlan {
  id: string;
  model: string;
  variant: string;
  gpu: string;
  gpu_count: number;
  engine: "vllm" | "sglang";
  engine_version: string;
  tensor_parallel: number;
  pipeline_parallel: number;
  /** tokens of one request that the plan holds */
  context: number;
  kv_cache_dtype: string;
  /** share of the card the engine takes */
  gpu_memory_utilization?: number | null;
  verdict: "fits" | "tight";
  /** per GPU: weights, overhead, one request */
  expected_memory_gib?: number | null;
  headroom_gib?: number | null;
  /** requests of that context at once */
  max_concurrency?: number | null;
  decode_tok_s_low?: number | null;
  decode_tok_s_high?: number | null;
  reasons?: string[];
  /** paths below the registry */
  manifests?: string[];
  /** targets that cannot serve it, with reasons */
  refused?: Record<string, string>;
}

/** A refiner answers at once or is passed over. */
export interface RefinementPolicy {
  /** routing and first byte together */
  budget_s?: number;
  max_tokens?: number;
}

/** A source row, or one field of it, that could not be used. */
export interface Reject {
  source: "models_dev" | "gpustack" | "huggingface" | "modelscope" | "override";
  table: string;
  record: string;
  field?: string | null;
  value?: string | null;
  reason: string;
  /** false when only the field was set to null */
  whole_row: boolean;
}

/** The whole of `router.json`; every name in it resolves. */
export interface Router {
  schema_version?: string;
  routing: Routing;
  models?: RouterModel[];
  default_model?: string | null;
  /** models of a class in order; where none of them can be called, all by weights */
  chains?: Record<string, string[]>;
  refiners?: string[];
  /** canary and shadow by model; splits.json overrides them */
  splits?: Record<string, Split>;
  policy: Policy;
  unroutable?: Unroutable[];
}

/** The whole of `deployments.json`. */
export interface RouterDeployments {
  schema_version?: string;
  deployments?: LocalDeployment[];
}

/** The whole of `keys.json`: references by provider, never a key. */
export interface RouterKeys {
  schema_version?: string;
  keys?: Record<string, string[]>;
}

/** A model that applications ask for; `fallbacks` are other models, tried in order after it. `lossy_fallbacks` are those of them that hold less context or fewer modalities, on purpose. */
export interface RouterModel {
  id: string;
  aliases?: string[];
  task?: "chat" | "embedding";
  /** tokens; null while unknown */
  context?: number | null;
  input?: string[];
  output?: string[];
  deprecated?: boolean;
  /** the operator's own measurement; null without one */
  quality?: number | null;
  targets: Target[];
  fallbacks?: string[];
  lossy_fallbacks?: string[];
}

/** Someone who answers requests below `base_url` in the OpenAI or the Anthropic format. `model` names the one model that a local deployment serves. A provider that is not enabled is listed and never called. `key` and `keys` together are its keys. */
export interface RouterProvider {
  name: string;
  type: "api" | "local";
  base_url: string;
  format?: "openai" | "anthropic";
  key?: string | null;
  keys?: string[];
  key_selection?: "least_used" | "round_robin";
  key_limits?: KeyLimits;
  model?: string | null;
  enabled?: boolean;
}

/** The whole of `splits.json`: splits by the id of the model that is split. */
export interface RouterSplits {
  schema_version?: string;
  splits?: Record<string, Split>;
}

/** How requests reach providers. */
export interface Routing {
  mode?: "direct";
  direct: DirectRouting;
}

/** The model that is sent a copy of `share` of the requests; nobody waits for its answers. */
export interface Shadow {
  /** model id, or provider/model for one seller of it */
  model: string;
  /** of requests */
  share: number;
}

/** How one source was read in a build; times are the document's own, never the build's. */
export interface SourceState {
  source: "models_dev" | "gpustack" | "huggingface" | "modelscope" | "override";
  origin: "live" | "cached" | "snapshot" | "missing";
  /** when the oldest used document was fetched */
  fetched_at?: string | null;
  documents: number;
  rows_read: number;
  rows_kept: number;
  rows_rejected: number;
  /** dropped upstream keys, counted */
  unknown_fields?: Record<string, number>;
  problems?: string[];
}

/** What happens to requests that lead to one model; both null: nothing, whatever router.json says. */
export interface Split {
  canary?: Canary | null;
  shadow?: Shadow | null;
}

/** One way to reach a model. Lower `priority` first; among equals a draw by `weight`. */
export interface Target {
  provider: string;
  /** the provider's own id */
  model: string;
  priority?: number;
  weight?: number;
  /** tokens; null while unknown */
  context?: number | null;
  /** USD per million tokens */
  input_price?: number | null;
  /** USD per million tokens */
  output_price?: number | null;
  /** USD per million tokens */
  cached_input_price?: number | null;
  tiers?: TargetTier[];
}

/** Prices of a whole request whose prompt is longer than `above_tokens`; USD per million tokens. */
export interface TargetTier {
  above_tokens: number;
  input_price: number;
  output_price: number;
  cached_input_price?: number | null;
}

/** A record that upstream no longer has. */
export interface Tombstone {
  record: string;
  last_seen: string;
  model?: string | null;
  reason: string;
}

/** A seller that this router cannot speak to, and why. */
export interface Unroutable {
  provider: string;
  reason: string;
}

/** Weights that exist: one repository at one revision. */
export interface Variant {
  /** owner/name on its first hub */
  id: string;
  model: string;
  hub: "huggingface" | "modelscope";
  repo: string;
  revision?: string | null;
  /** the same weights on ModelScope */
  modelscope_repo?: string | null;
  /** published by the model's own lab */
  official?: boolean | null;
  quantization?: Quantization | null;
  parameters?: number | null;
  weights_bytes?: number | null;
  weights_basis?: "safetensors_index" | "safetensors_dtypes" | "hub_files" | null;
  model_type?: string | null;
  architectures?: string[];
  /** declared longest sequence, tokens */
  context?: number | null;
  gated?: boolean | null;
  license?: string | null;
  /** of the last 30 days, as the hub counts */
  downloads?: number | null;
  created_at?: string | null;
  has_config?: boolean;
  files?: WeightFile[];
}

/** True, false, or null where no source says. */
export interface ViewCapabilities {
  training: boolean | null;
  inference: boolean | null;
  vision: boolean | null;
  structured_outputs: boolean | null;
  streaming: boolean | null;
  function_calling: boolean | null;
}

/** A category as a user interface shows it. */
export interface ViewCategory {
  name: string;
  description: string;
  icon: string;
}

/** One checkpoint. */
export interface ViewEntry {
  id: string;
  name: string;
  category: string;
  provider: string;
  base_architecture: string | null;
  /** such as 8.19B */
  parameters: string | null;
  description: string;
  tags: string[];
  status: string | null;
  quantization: ViewQuantization;
  requirements: ViewRequirementFields;
  capabilities: ViewCapabilities;
  training_defaults: Record<string, unknown> | null;
  inference_defaults: ViewInferenceDefaults | null;
  urls: Record<string, string | null>;
}

/** Launch settings of the model's reference plan. */
export interface ViewInferenceDefaults {
  max_model_len: number | null;
  dtype: string | null;
  gpu_memory_utilization: number | null;
  quantization: string | null;
  tensor_parallel_size: number | null;
}

/** Method and library; both null for 16 and 32 bit weights. */
export interface ViewQuantization {
  method: string | null;
  type: string | null;
}

/** GiB of memory and the least hardware; null where the fit gave no answer. */
export interface ViewRequirementFields {
  /** starts with one request of 4,096 tokens */
  min_vram_gb: number | null;
  /** holds 8 requests of 32,768 tokens, or as declared */
  recommended_vram_gb: number | null;
  min_ram_gb: number | null;
  cuda_compute_capability: string | null;
  min_gpus: number | null;
}

/** One weight file as its hub lists it. */
export interface WeightFile {
  path: string;
  bytes?: number | null;
  sha256?: string | null;
}

/** How much quality, price and latency count when a class is routed; only their ratios matter. */
export interface Weights {
  quality: number;
  price: number;
  latency: number;
}
