import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getLogger, resetSync, type LogRecord } from '@logtape/logtape'
import { LogLevels } from '../src/log-levels.ts'

after(() => resetSync())

test('the level of one part changes without the others', () => {
  const records: LogRecord[] = []
  const levels = new LogLevels('info', (record) => records.push(record))
  const say = (): readonly string[] => {
    getLogger(['aeraki', 'proxy', 'xds']).debug('xds')
    getLogger(['aeraki', 'xds', 'client']).debug('client')
    getLogger(['aeraki', 'proxy', 'config']).debug('config')
    getLogger(['aeraki', 'proxy']).info('main')
    getLogger(['aeraki', 'protocols']).debug('protocols')
    return records.splice(0).map((record) => String(record.message[0]))
  }
  assert.deepEqual(say(), ['main'])
  levels.set('xds', 'debug')
  assert.deepEqual(say(), ['xds', 'client', 'main'])
  levels.set(undefined, 'warn')
  assert.deepEqual(say(), [])
  assert.equal(levels.list().get('xds'), 'warning')
  levels.set('main', 'off')
  levels.set('config', 'trace')
  assert.deepEqual(say(), ['config'])
  assert.throws(() => levels.set('nobody', 'info'), { code: 'PROXY_LOGGER_UNKNOWN', message: /there are main, admin/ })
  assert.throws(() => levels.set(undefined, 'loud'), { code: 'PROXY_LOG_LEVEL_UNKNOWN' })
})
