/** A mesh where identity says who connects. */
export interface LoginWorld {
  stop(): Promise<void>;
}
export function openLogin(): Promise<LoginWorld> {
  return Promise.reject(new Error('later'));
}
