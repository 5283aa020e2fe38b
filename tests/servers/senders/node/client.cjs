// Numbered events by clients of Node.js: client.cjs KIND URL KEY FIRST COUNT RATE. "event N" each, and $EVENT_PADDING behind it, from FIRST on, at most RATE a second (0: as
// fast as it goes). What a client gives up is offered again, as a program does that may lose none. It ends when all were taken.
'use strict'
const [kind, url, key, first, count, rate] = process.argv.slice(2).map((a, i) => (i < 3 ? a : Number(a)))
const WAIT = 200
const text = (n) => `event ${n}${process.env.EVENT_PADDING || ''}`
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const began = Date.now()

// Some of them at a time, at the rate that is wanted: each(numbers) until it is true.
async function batches (size, each) {
  for (let i = 0; i < count; i += size) {
    if (rate) await sleep(began + (i / rate) * 1000 - Date.now())
    const numbers = Array.from({ length: Math.min(size, count - i) }, (_, k) => first + i + k)
    while (!await each(numbers)) await sleep(WAIT)
  }
}

async function splunk () {
  const { Logger } = require('splunk-logging')
  await batches(100, (numbers) => new Promise((resolve) => {
    const log = new Logger({ token: key, url, maxBatchCount: 0, maxRetries: 3 })
    log.error = () => {}
    for (const n of numbers) log.send({ message: text(n), metadata: { host: 'node', sourcetype: 'app' } })
    log.flush((error, answer, body) => resolve(!error && body && body.code === 0))
  }))
}

async function elasticsearch () {
  const { Client } = require('@elastic/elasticsearch')
  const client = new Client({ node: url, auth: { apiKey: key }, compression: true, maxRetries: 5 })
  await batches(500, async (numbers) => {
    try {
      const done = await client.helpers.bulk({
        datasource: numbers,
        retries: 100,
        wait: WAIT,
        concurrency: 4,
        flushBytes: 20000,
        onDocument: (n) => [{ create: { _index: 'events', _id: String(n) } }, { n, message: text(n) }]
      })
      return done.failed === 0
    } catch (error) {
      return false
    }
  })
  await client.close()
}

async function forward () {
  const { FluentClient } = require('@fluent-org/logger')
  const { hostname, port } = new URL(url)
  const client = new FluentClient('app', { eventMode: 'PackedForward', ack: { ackTimeout: 10000 }, socket: { host: hostname, port: Number(port), timeout: 10000, reconnect: { backoff: 1.5, delay: WAIT, minDelay: WAIT, maxDelay: 2000 } }, flushInterval: 50 })
  client.socketOn('error', () => {})
  await batches(200, async (numbers) => {
    const given = await Promise.allSettled(numbers.map((n) => client.emit('web', { n, message: text(n) })))
    const failed = given.map((g, i) => g.status === 'rejected' ? numbers[i] : -1).filter((n) => n >= 0)
    numbers.splice(0, numbers.length, ...failed)
    return failed.length === 0
  })
  await client.shutdown()
}

// It keeps what it could not push, and pushes it again; so it is waited until nothing is left.
async function loki () {
  const winston = require('winston')
  const Loki = require('winston-loki')
  const transport = new Loki({ host: url, headers: { Authorization: `Bearer ${key}` }, json: kind === 'loki-json', interval: 0.2, labels: { app: 'web' }, timeout: 10000, onConnectionError: () => {} })
  const log = winston.createLogger({ transports: [transport] })
  await batches(100, async (numbers) => {
    for (const n of numbers) log.info(text(n))
    return true
  })
  const flushed = new Promise((resolve) => log.on('finish', resolve))
  log.end()
  await flushed
  while (transport.batcher.batch.streams.length > 0) await transport.batcher.sendBatchToLoki().catch(() => sleep(WAIT))
}

const kinds = { splunk, elasticsearch, forward, 'loki-json': loki, loki }
kinds[kind]().then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })
