import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redact } from '../src/admin/redact.ts'

test('secrets are hidden in every spelling and form, and nothing else is', () => {
  const config = {
    statPrefix: 'password',
    downstreamAuthPasswords: [{ inlineString: 'hush' }, { filename: '/etc/pw' }],
    typed: { value: { downstream_auth_username: { inline_string: 'web' }, settings: { op_timeout: '1s' } } },
    options: { auth_password: { inline_bytes: 'aHVzaA==' }, privateKey: { inline: 'hush' }, resourceApiVersion: 3 },
    list: ['a', null, 1, true],
  }
  const seen = redact(config)
  assert.deepEqual(seen, {
    statPrefix: 'password',
    downstreamAuthPasswords: [{ inlineString: '[redacted]' }, { filename: '[redacted]' }],
    typed: { value: { downstream_auth_username: { inline_string: '[redacted]' }, settings: { op_timeout: '1s' } } },
    options: {
      auth_password: { inline_bytes: '[redacted]' },
      privateKey: { inline: '[redacted]' },
      resourceApiVersion: 3,
    },
    list: ['a', null, 1, true],
  })
  assert.equal(config.options.auth_password.inline_bytes, 'aHVzaA==')
})
