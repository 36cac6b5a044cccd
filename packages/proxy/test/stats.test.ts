import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Histogram } from '../src/stats/metric.ts'
import { StatsRegistry } from '../src/stats/registry.ts'
import { cluster, Harness, route } from './support/harness.ts'
import { echo } from './support/kv-peers.ts'

describe('histograms', () => {
  test('quantiles are right within 4 percent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (values) => {
          const histogram = new Histogram()
          for (const value of values) histogram.record(value)
          const sorted = [...values].sort((a, b) => a - b)
          for (const share of [0, 0.5, 0.9, 0.99, 1]) {
            const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
            const found = histogram.quantile(share)
            assert.ok(Math.abs(found - exact) <= exact * 0.04 + 0.002, `${found} instead of ${exact}`)
          }
          assert.equal(histogram.count, values.length)
          assert.equal(histogram.atMost(1e9), values.length)
        },
      ),
    )
  })

  test('absurd values do no harm', () => {
    const histogram = new Histogram()
    for (const value of [-5, 0, 1e300, Number.MAX_SAFE_INTEGER]) histogram.record(value)
    assert.equal(histogram.count, 4)
    assert.equal(histogram.atMost(1e9), 4)
  })
})

describe('the registry', () => {
  test("writes Envoy's text, sorted, and filtered", () => {
    const registry = new StatsRegistry()
    const scope = registry.scope('cluster.x.', 'envoy_cluster_', { envoy_cluster_name: 'x' })
    scope.counter('upstream_rq_total').value = 3
    scope.gauge('upstream_cx_active')
    scope.histogram('upstream_rq_time').record(5)
    assert.equal(
      registry.text(),
      'cluster.x.upstream_cx_active: 0\ncluster.x.upstream_rq_total: 3\n' +
        'cluster.x.upstream_rq_time: P0(nan,5.119) P25(nan,5.119) P50(nan,5.119) P75(nan,5.119) P90(nan,5.119) ' +
        'P95(nan,5.119) P99(nan,5.119) P99.5(nan,5.119) P99.9(nan,5.119) P100(nan,5.119)\n',
    )
    assert.equal(registry.text({ filter: /rq_total/g }), 'cluster.x.upstream_rq_total: 3\n')
    assert.equal(registry.text({ usedOnly: true, filter: /cx/ }), '')
    registry.remove(scope)
    assert.equal(registry.text(), '')
  })

  test("writes Prometheus' text, each family once", () => {
    const registry = new StatsRegistry()
    for (const name of ['x', 'a"b\\c\nd']) {
      registry
        .scope(`cluster.${name}.`, 'envoy_cluster_', { envoy_cluster_name: name })
        .counter('upstream_rq_total').value = 3
    }
    assert.equal(
      registry.prometheus(),
      '# TYPE envoy_cluster_upstream_rq_total counter\n' +
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="x"} 3\n' +
        String.raw`envoy_cluster_upstream_rq_total{envoy_cluster_name="a\"b\\c\nd"} 3` +
        '\n',
    )
    const times = new StatsRegistry()
    const histogram = times.scope('', '', {}).histogram('time_ms')
    histogram.record(3)
    histogram.record(30)
    const lines = times.prometheus().split('\n')
    assert.ok(lines.includes('time_ms_bucket{le="5"} 1'))
    assert.ok(lines.includes('time_ms_bucket{le="50"} 2'))
    assert.ok(lines.includes('time_ms_bucket{le="+Inf"} 2'))
    assert.ok(lines.includes('time_ms_sum{} 33'))
    assert.ok(lines.includes('time_ms_count{} 2'))
  })

  test("requests are counted under Istio's names", async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('a'))
    const name = 'outbound|20880|v1|demo.shop.svc.cluster.local'
    mesh.runtime.setCluster(cluster(name, [server.port]))
    mesh.runtime.setCluster(cluster('outbound|1||dead', [1]))
    await mesh.listen([route('outbound|1||dead', { method: 'dead' }), route(name)])
    const client = await mesh.client()
    await client.call({})
    await client.call({})
    await client.call({ method: 'dead' })
    const text = mesh.runtime.stats.prometheus({ filter: /istio/ })
    const labels =
      'reporter="source",request_protocol="kvmultiplexed",destination_service="demo.shop.svc.cluster.local",' +
      'destination_service_name="demo",destination_service_namespace="shop",destination_port="20880",destination_subset="v1"'
    assert.ok(
      text.includes(`istio_requests_total{${labels},response_code="0",response_status="ok",response_flags="-"} 2`),
      text,
    )
    assert.match(text, /istio_requests_total\{.*destination_service="dead".*response_code="1".*response_flags="UF"\} 1/)
    assert.ok(text.includes(`istio_request_duration_milliseconds_count{${labels}} 2`))
    assert.equal(text.match(/# TYPE istio_requests_total counter/g)?.length, 1)
  })
})
