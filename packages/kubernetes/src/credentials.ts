/** What proves to the API server who we are. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  /** Client certificate, PEM. */
  readonly cert: string | undefined
  readonly key: string | undefined
}

export function bearer(token: string): Credentials {
  return { headers: { authorization: `Bearer ${token}` }, cert: undefined, key: undefined }
}
