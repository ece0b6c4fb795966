// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

// Bits of what an account may do for a device (IDeviceRegistry.Delegation), for callers of IDeviceRegistry.verifySignature.
uint32 constant SCOPE_TRADE = 1;
uint32 constant SCOPE_DATA = 2;
uint32 constant SCOPE_CONSENT = 4;
uint32 constant SCOPE_PAYMENT = 8;
