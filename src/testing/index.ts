/**
 * capmesh/testing: a real mesh for tests.
 */
export { startTestMesh, type TestMesh } from './mesh.js';
export type { TestMeshOptions, TestUsers } from './options.js';
export type { Role } from '../wire/generated/permissions.js';
export type { Credentials } from '../fabric/users.js';
