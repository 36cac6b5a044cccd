/** Where a workload runs: `region/zone/sub-zone`, the right parts optional. */
export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subZone: string
}

/** Parts that are absent are empty. A fourth part and what follows belong to none. */
export function parseLocality(text: string | undefined): Locality {
  const [region = '', zone = '', subZone = ''] = (text ?? '').split('/')
  return { region: region.trim(), zone: zone.trim(), subZone: subZone.trim() }
}

/** The inverse of parseLocality, without trailing empty parts. */
export function formatLocality({ region, zone, subZone }: Locality): string {
  if (subZone !== '') return `${region}/${zone}/${subZone}`
  return zone === '' ? region : `${region}/${zone}`
}
