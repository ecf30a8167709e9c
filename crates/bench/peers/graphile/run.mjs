// Graphile Worker as its documentation tunes it for throughput. See ../README.md for the protocol.
import { setTimeout as sleep } from "node:timers/promises";
import { makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

const [mode, count, slots] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const connectionString = process.env.PEER_DATABASE_URL;
const silent = { error: console.error, warning: console.error, info() {}, debug() {} };
const { Logger } = await import("@graphile/logger");
const logger = new Logger(() => (level, message) => silent[level]?.(message));

// Tried for single jobs: with a local queue they begin no sooner, with batched completion they do.
const worker = {
  connectionString,
  concurrentJobs: slots,
  maxPoolSize: slots + 1,
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
  logger,
};
const presets = {
  burn: { worker: { ...worker, localQueue: { size: 500 } } },
  pickup: { worker },
};

const pool = new pg.Pool({ connectionString, max: 4 });
const utils = await makeWorkerUtils({ preset: { worker: { connectionString, logger } } });
await utils.migrate();

async function burn() {
  for (let first = 0; first < count; first += 10_000) {
    const last = Math.min(count, first + 10_000);
    const specs = [];
    for (let n = first; n < last; n++) specs.push({ identifier: "noop", payload: { n } });
    await utils.addJobs(specs);
  }
  await pool.query("VACUUM (ANALYZE)");
  await pool.query("CHECKPOINT").catch(() => {});
  let ran = 0;
  const noop = async () => {
    ran += 1;
  };
  const begun = performance.now();
  const runner = await run({ preset: presets.burn, taskList: { noop }, noHandleSignals: true });
  while (ran < count) await sleep(2);
  // A finished job is deleted: none is left once the last deletion is committed.
  const left = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS some";
  while ((await pool.query(left)).rows[0].some) await sleep(2);
  const seconds = (performance.now() - begun) / 1000;
  await runner.stop();
  return { jobs: ran, seconds };
}

async function pickup() {
  const [before, after, started] = [[], [], []];
  const note = async ({ n }) => {
    started[n] = performance.now();
  };
  const runner = await run({ preset: presets.pickup, taskList: { note }, noHandleSignals: true });
  await sleep(1000);
  const begun = performance.now();
  for (let n = 0; n < count; n++) {
    const wait = begun + n * 10 - performance.now();
    if (wait > 0) await sleep(wait);
    before[n] = performance.now();
    await utils.addJob("note", { n });
    after[n] = performance.now();
  }
  const patience = performance.now() + 10_000;
  while (started.filter((at) => at !== undefined).length < count) {
    if (performance.now() > patience) throw new Error("jobs were not picked up");
    await sleep(10);
  }
  await runner.stop();
  return {
    after_commit_ms: started.map((at, n) => Math.max(0, at - after[n])),
    after_call_ms: started.map((at, n) => at - before[n]),
  };
}

const figures = await { burn, pickup }[mode]();
console.log(JSON.stringify(figures));
await utils.release();
await pool.end();
