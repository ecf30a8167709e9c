// pg-boss with batches that are fetched without a pause. See ../README.md for the protocol.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { PgBoss } from "pg-boss";

const [mode, count, slots] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const connectionString = process.env.PEER_DATABASE_URL;
const BATCH = 500;

const boss = new PgBoss({ connectionString, max: 10, useListenNotify: mode === "pickup" });
boss.on("error", (error) => console.error(error));
await boss.start();
const pool = new pg.Pool({ connectionString, max: 2 });

async function burn() {
  await boss.createQueue("noop", { partition: true });
  for (let first = 0; first < count; first += 10_000) {
    const last = Math.min(count, first + 10_000);
    const jobs = [];
    for (let n = first; n < last; n++) jobs.push({ data: { n } });
    await boss.insert("noop", jobs);
  }
  await pool.query("VACUUM (ANALYZE)");
  await pool.query("CHECKPOINT").catch(() => {});
  let ran = 0;
  const options = {
    batchSize: BATCH,
    burstWhenBatchFull: true,
    localConcurrency: Math.max(1, Math.floor(slots / BATCH)),
    pollingIntervalSeconds: 0.5,
  };
  const begun = performance.now();
  await boss.work("noop", options, async (jobs) => {
    ran += jobs.length;
  });
  while (ran < count) await sleep(2);
  // A finished job is kept: all are done once the last of them says so.
  const left = "SELECT EXISTS (SELECT FROM pgboss.job WHERE state <> 'completed') AS some";
  while ((await pool.query(left)).rows[0].some) await sleep(2);
  const seconds = (performance.now() - begun) / 1000;
  return { jobs: ran, seconds };
}

const figures = await { burn }[mode]();
console.log(JSON.stringify(figures));
await pool.end();
await boss.stop({ graceful: false });
