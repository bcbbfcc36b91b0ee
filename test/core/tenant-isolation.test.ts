import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { TenantIsolation } from '../../src/privacy/tenant-isolation.ts';

test('keys stand behind the tenant’s id', () => {
  expect(new TenantIsolation().tenantId).toBe('default');
  expect(new TenantIsolation().namespaceKey('k')).toBe('default:k');
  expect(new TenantIsolation('acme').namespaceKey('a:b')).toBe('acme:a:b');
  expect(new TenantIsolation('acme').namespaceKey('')).toBe('acme:');
  expect(new TenantIsolation('a:b%3A%').namespaceKey('k')).toBe('a%3Ab%253A%25:k');
});

test('an id that says nothing, or cannot be told from others in UTF-8, is refused', () => {
  expect(() => new TenantIsolation('')).toThrow(RangeError);
  expect(() => new TenantIsolation('a\ud800')).toThrow(RangeError);
  expect(() => new TenantIsolation(7 as unknown as string)).toThrow(TypeError);
  expect(new TenantIsolation('💥 ä\0').tenantId).toBe('💥 ä\0');
});

test('the environment names the tenant; an empty name is no name', () => {
  expect(TenantIsolation.fromEnv({ EPOCHLY_TENANT_ID: 'acme' }).tenantId).toBe('acme');
  expect(TenantIsolation.fromEnv({}).tenantId).toBe('default');
  expect(TenantIsolation.fromEnv({ EPOCHLY_TENANT_ID: undefined }).tenantId).toBe('default');
  expect(() => TenantIsolation.fromEnv({ EPOCHLY_TENANT_ID: '' })).toThrow(ConfigError);
});

/** Ids and keys made of what could be mistaken for the end of an id. */
const piece = fc.constantFrom('a', 'b', ':', '%', '%3A', '%25', '3A', '25');
const name = fc.oneof(
  fc.array(piece, { maxLength: 5 }).map((parts) => parts.join('')),
  fc.string(),
);

test('no two tenants or keys share a name, also where one imitates another’s', () => {
  const pair = fc.tuple(
    name.filter((id) => id !== '' && !/\p{Surrogate}/u.test(id)),
    name,
  );
  fc.assert(
    fc.property(pair, pair, ([tenant, key], [other, otherKey]) => {
      const [one, two] = [new TenantIsolation(tenant), new TenantIsolation(other)];
      const same = tenant === other && key === otherKey;
      expect(one.namespaceKey(key) === two.namespaceKey(otherKey)).toBe(same);
      // A key that is itself a whole name of another tenant's, or looks like the rest of one.
      if (tenant !== other) {
        expect(one.namespaceKey(two.namespaceKey(key))).not.toBe(two.namespaceKey(key));
        expect(one.namespaceKey(two.namespaceKey(key).slice(tenant.length + 1))).not.toBe(two.namespaceKey(key));
      }
    }),
    { numRuns: 2000 },
  );
});
