// What generated clients inherit: requests over fetch, retries, errors, streams. No dependencies.

declare const process: { env: Record<string, string | undefined> } | undefined;

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

export interface Access {
  readonly provider: string;
  readonly baseUrl: string;
  readonly keyEnv: readonly string[];
  readonly auth: "bearer" | "header" | "query" | "none";
  readonly authName: string;
  readonly paths: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** False while the interface holds inferred facts that nobody has confirmed: it is given no key. */
  readonly confirmed: boolean;
}

export interface Options {
  /** The key itself, read by the caller from where it is kept; the provider's own variables without it. */
  key?: string;
  baseUrl?: string;
  variables?: Record<string, string>;
  /** Longest silence in milliseconds. */
  timeoutMs?: number;
  maxAttempts?: number;
  firstWaitMs?: number;
}

export type Fault =
  | "missing_key" | "withheld_key" | "connection" | "deadline" | "answer" | "broken_stream"
  | "authentication" | "request" | "rate_limit" | "server";

export class ClientError extends Error {
  constructor(message: string, readonly fault: Fault, readonly status = 0, readonly retryAfterMs?: number) {
    super(message);
  }
}

export interface Message { role: "system" | "developer" | "user" | "assistant" | "tool"; content?: Json; [more: string]: Json | undefined }
export interface Turn { role: "user" | "assistant"; content: Json }
export interface ToolCall { index?: number; id?: string; function: { name?: string; arguments?: string } }
export interface ChatMessage { role?: string; content?: string | null; tool_calls?: ToolCall[] | null }
export interface Usage { prompt_tokens?: number; completion_tokens?: number; total_tokens?: number }
export interface ChatCompletion { id?: string; model?: string; choices: { message: ChatMessage; finish_reason?: string | null }[]; usage?: Usage | null }
export interface ChatChunk { id?: string; model?: string; choices: { delta: ChatMessage; finish_reason?: string | null }[]; usage?: Usage | null }
export interface Block { type: string; text?: string; id?: string; name?: string; input?: Json }
export interface MessageAnswer { id?: string; model?: string; content: Block[]; stop_reason?: string | null }
export interface MessageEvent { type: string; index?: number; delta?: { type?: string; text?: string; partial_json?: string; stop_reason?: string | null } }

const LONGEST_RETRY_WAIT_MS = 30_000;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const variable = (name: string): string => (typeof process === "undefined" ? "" : (process.env[name] ?? "").trim());

export class Client {
  private readonly base: string;
  private readonly key: string;

  constructor(private readonly access: Access, private readonly options: Options = {}) {
    this.base = (options.baseUrl ?? access.baseUrl)
      .replace(/\$\{(\w+)\}/g, (_, name: string) => {
        const value = options.variables?.[name] || variable(name);
        if (!value) throw new ClientError(`${access.provider}: its address needs ${name}`, "missing_key");
        return value;
      })
      .replace(/\/+$/, "");
    if (options.key && !access.confirmed)
      throw new ClientError(`${access.provider}: nobody has confirmed what is inferred of it`, "withheld_key");
    const found = access.confirmed ? access.keyEnv.map(variable).find((value) => value) : "";
    this.key = access.auth === "none" ? "" : (options.key ?? found ?? "");
    const url = new URL(this.base);
    if (this.key && url.protocol === "http:" && !LOOPBACK.includes(url.hostname))
      throw new ClientError(`${access.provider}: a key is not sent over plain http`, "withheld_key");
  }

  protected async ask<T>(operation: string, body?: object, model = "", query: Record<string, string> = {}): Promise<T> {
    const { response, stop } = await this.send(operation, body, model, query);
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw this.failure(error, "answer", "not a JSON answer");
    } finally {
      stop();
    }
  }

  protected async *events<T>(
    operation: string, body: object, ended: (piece: T) => boolean, model = "", query: Record<string, string> = {},
  ): AsyncGenerator<T> {
    const { response, stop, alive } = await this.send(operation, body, model, query);
    let finished = false;
    try {
      for await (const data of serverSentEvents(response.body, alive)) {
        if (data.trim() === "[DONE]") { finished = true; continue; }
        const piece = this.piece<T>(data);
        finished ||= ended(piece);
        yield piece;
      }
    } catch (error) {
      throw this.failure(error, "broken_stream", "the stream broke off");
    } finally {
      stop();
    }
    if (!finished) throw new ClientError(`${this.access.provider}: the stream ended without its last event`, "broken_stream");
  }

  private piece<T>(data: string): T {
    const piece: unknown = JSON.parse(data);
    if (typeof piece !== "object" || piece === null || "error" in piece) throw new Error("not a piece of an answer");
    return piece as T;
  }

  private async send(operation: string, body: object | undefined, model: string, query: Record<string, string>) {
    const { access, options } = this;
    if (!this.key && access.auth !== "none")
      throw new ClientError(`${access.provider}: no key; set ${access.keyEnv.join(" or ") || "key"}`, "missing_key");
    const path = access.paths[operation];
    if (path === undefined) throw new ClientError(`${access.provider}: no endpoint ${operation}`, "request");
    const url = new URL(this.base + path.replace("{model}", encodeURIComponent(model)));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (access.auth === "query") url.searchParams.set(access.authName, this.key);
    const headers: Record<string, string> = { "content-type": "application/json", ...access.headers };
    if (access.auth === "bearer") headers[access.authName] = `Bearer ${this.key}`;
    if (access.auth === "header") headers[access.authName] = this.key;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(url, headers, body);
      } catch (error) {
        if (!(error instanceof ClientError) || attempt >= (options.maxAttempts ?? 3) || !mayPass(error)) throw error;
        await sleep(error.retryAfterMs ?? Math.random() * (options.firstWaitMs ?? 500) * 2 ** attempt);
      }
    }
  }

  private async once(url: URL, headers: Record<string, string>, body: object | undefined) {
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(), this.options.timeoutMs ?? 120_000);
    };
    const stop = (): void => { clearTimeout(timer); control.abort(); };
    alive();
    let response: Response;
    try {
      const text = body === undefined ? null : JSON.stringify(body);
      const method = body === undefined ? "GET" : "POST";
      response = await fetch(url, { method, headers, body: text, redirect: "manual", signal: control.signal });
    } catch (error) {
      clearTimeout(timer);
      throw this.failure(error, "connection", "no answer");
    }
    if (response.ok) return { response, stop, alive };
    const said = (await response.text().catch(() => "")).slice(0, 300);
    stop();
    throw this.refusal(response, said);
  }

  private refusal(response: Response, said: string): ClientError {
    const { status } = response;
    const fault: Fault =
      status === 401 || status === 403 ? "authentication" : status === 429 ? "rate_limit" : status >= 500 ? "server" : "request";
    const after = Number(response.headers.get("retry-after") ?? NaN);
    const wait = Number.isFinite(after) ? Math.max(0, after * 1000) : undefined;
    return new ClientError(this.withoutKey(`${this.access.provider}: HTTP ${status}: ${said}`), fault, status, wait);
  }

  private failure(error: unknown, fault: Fault, says: string): ClientError {
    if (error instanceof ClientError) return error;
    const silent = error instanceof Error && error.name === "AbortError";
    return new ClientError(`${this.access.provider}: ${silent ? "no answer in time" : says}`, silent ? "deadline" : fault);
  }

  private withoutKey(text: string): string {
    return this.key ? text.replaceAll(this.key, "***") : text;
  }
}

function mayPass(error: ClientError): boolean {
  if ((error.retryAfterMs ?? 0) > LONGEST_RETRY_WAIT_MS) return false;
  return ["connection", "rate_limit", "server"].includes(error.fault) || [408, 409, 425].includes(error.status);
}

async function* serverSentEvents(body: ReadableStream<Uint8Array> | null, alive: () => void): AsyncGenerator<string> {
  if (body === null) return;
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  let data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    alive();
    rest += done ? "\n" : decoder.decode(value, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?=[^\n])/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      else if (line === "" && data.length > 0) { yield data.join("\n"); data = []; }
    }
    if (done) return;
  }
}

/** Chat completions of an OpenAI-compatible provider. */
export class OpenAIClient<Parameters extends object> extends Client {
  chat(model: string, messages: Message[], more?: Parameters & { max_tokens?: number }): Promise<ChatCompletion> {
    return this.ask("chat", { ...more, model, messages });
  }

  stream(model: string, messages: Message[], more?: Parameters & { max_tokens?: number }): AsyncGenerator<ChatChunk> {
    const ended = (chunk: ChatChunk): boolean => chunk.choices.some((choice) => Boolean(choice.finish_reason));
    return this.events("chat", { ...more, model, messages, stream: true }, ended);
  }

  embed(model: string, input: string[]): Promise<{ data: { index: number; embedding: number[] }[] }> {
    return this.ask("embeddings", { model, input });
  }

  models(): Promise<{ data: { id: string }[] }> {
    return this.ask("models");
  }
}

/** Messages of an Anthropic-compatible provider. */
export class AnthropicClient<Parameters extends object> extends Client {
  message(model: string, messages: Turn[], max_tokens: number, more?: Parameters): Promise<MessageAnswer> {
    return this.ask("chat", { ...more, model, messages, max_tokens });
  }

  stream(model: string, messages: Turn[], max_tokens: number, more?: Parameters): AsyncGenerator<MessageEvent> {
    const ended = (event: MessageEvent): boolean => event.type === "message_stop";
    return this.events("chat", { ...more, model, messages, max_tokens, stream: true }, ended);
  }
}
