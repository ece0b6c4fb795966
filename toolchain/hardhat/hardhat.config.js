// The node that deployments are rehearsed on. What differs from run to run comes from the environment.
export default {
  networks: {
    node: {
      type: "edr-simulated",
      chainType: "l1",
      chainId: Number(process.env.REHEARSAL_CHAIN_ID),
      hardfork: "osaka",
      initialDate: new Date(Number(process.env.REHEARSAL_GENESIS_TIME) * 1000),
      mining: { auto: true, interval: 0 },
    },
  },
};
