/**
 * TLS towards the server: whom we trust, and the certificate that we show. The variables hold for every command and
 * for the SDK.
 */

/** Files in PEM. */
export interface TlsFiles {
  /** Certificates of those who may vouch for the server; default: those that Node trusts. */
  readonly caFile?: string;
  /** Our own certificate, with its key, where the server asks for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** What was given, else what MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY name; nothing when nobody says anything. */
export function tlsFiles(given: TlsFiles = {}): TlsFiles | undefined {
  const caFile = given.caFile ?? process.env['MESH_TLS_CA'];
  const certFile = given.certFile ?? process.env['MESH_TLS_CERT'];
  const keyFile = given.keyFile ?? process.env['MESH_TLS_KEY'];
  return caFile === undefined && certFile === undefined && keyFile === undefined
    ? undefined
    : {
        ...(caFile === undefined ? {} : { caFile }),
        ...(certFile === undefined ? {} : { certFile }),
        ...(keyFile === undefined ? {} : { keyFile }),
      };
}
