// The binary under test: started on free ports over a folder that goes when the tests end.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** How long a start, or the past of the shop, may take on a busy machine. */
const PATIENCE_MS = 120_000;

export interface Tarn {
  url: string;
  /** The end of what the server printed. */
  said: () => string;
  stop: () => Promise<void>;
}

export function binary(): string {
  const target = process.env.CARGO_TARGET_DIR ?? join(homedir(), ".cache/tarn/target");
  const path = process.env.TARN_BIN ?? join(target, "debug/tarn");
  if (!existsSync(path)) throw new Error(`${path} is missing: cargo test --workspace --no-run builds it`);
  return path;
}

/** Starts a server; `shop` sends it so much of the past of the demo first, `more` are flags. */
export async function start({ shop, more = [] }: { shop?: string; more?: string[] } = {}): Promise<Tarn> {
  const folder = mkdtempSync(join(tmpdir(), "tarn-e2e-"));
  const [http, otlpHttp, receiver] = await freePorts(3);
  const url = `http://127.0.0.1:${http}`;
  const files = join(folder, "demo");
  const flags = ["--listen.http", `127.0.0.1:${http}`, "--listen.otlp-http", `127.0.0.1:${otlpHttp}`, "--listen.otlp-grpc", "off", "--storage.path", join(folder, "data"), ...more];
  const children: ChildProcess[] = [];
  const stop = async () => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  let said = () => "";
  try {
    let told: Promise<void> | undefined;
    if (shop) {
      // The shop writes the files for the server first, and waits for it.
      const demo = run(["demo", "--url", url, "--once", "--history", shop, "--seed", "1", "--rate", "2", "--receiver", `127.0.0.1:${receiver}`, "--dir", files], children);
      told = demo.ended;
      await until(() => Promise.resolve(existsSync(join(files, "alertmanager.yml"))), "the files of the demo", demo);
      flags.push("--alerting.slo-files", join(files, "slos.yml"), "--alerting.rule-files", join(files, "rules.yml"), "--alerting.alertmanager-config", join(files, "alertmanager.yml"));
    }
    const server = run(flags, children);
    said = server.said;
    await until(async () => (await fetch(`${url}/readyz`)).ok, "the server", server);
    await told;
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, said: () => said(), stop };
}

interface Run {
  said: () => string;
  code: () => number | null;
  ended: Promise<void>;
}

function run(args: string[], children: ChildProcess[]): Run {
  const child = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let said = "";
  const hear = (bytes: Buffer) => (said = (said + bytes.toString()).slice(-8000));
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const ended = new Promise<void>((resolve, reject) => {
    child.on("exit", (code) => (code === 0 || code === null ? resolve() : reject(new Error(`tarn ${args[0]} ended with ${code}:\n${said}`))));
  });
  ended.catch(() => {}); // heard by whoever waits for it
  return { said: () => said, code: () => child.exitCode, ended };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await gone;
  clearTimeout(late);
}

async function until(done: () => Promise<boolean>, what: string, { said, code }: Run): Promise<void> {
  const patience = Date.now() + PATIENCE_MS;
  while (!(await done().catch(() => false))) {
    if (Date.now() > patience || code() !== null) throw new Error(`${what} did not come:\n${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(servers.map((server) => new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  })));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
