// Which of the kernel's structs a map can keep a reference to.

/** The structs that the kernel can give back by itself when a map goes, and the functions by which programs do. */
export const kptrReleases: Readonly<Record<string, string>> = {
  task_struct: 'bpf_task_release',
  cgroup: 'bpf_cgroup_release',
  bpf_cpumask: 'bpf_cpumask_release',
  bpf_crypto_ctx: 'bpf_crypto_ctx_release',
  nf_conn: 'bpf_ct_release',
  sk_buff: 'bpf_kfree_skb',
}

/** Why something else than the value of a map cannot have a kptr. */
export const onlyValues =
  'a kptr has to be in the value of a hash map, of an array, or of a storage of values'
