"""Carry a proof file to a policy, whose insured it pays: python claim.py INSURANCE POLICY_ID PROOF"""

import json
import os
import sys
from pathlib import Path

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.middleware import ExtraDataToPOAMiddleware, SignAndSendRawMiddlewareBuilder

address, policy_id, proof_file = sys.argv[1:]
web3 = Web3(HTTPProvider(os.environ["RPC_URL"]))
web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # blocks of Polygon's chains are longer
carrier = Account.from_key(os.environ["KEY"])  # pays the gas; anyone may
web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(carrier), layer=0)
compiled = json.loads(Path("out/ColdChainInsurance.sol/ColdChainInsurance.json").read_text())
insurance = web3.eth.contract(web3.to_checksum_address(address), abi=compiled["abi"])

document = json.loads(Path(proof_file).read_text())
leaf, batch = document["leaf"], document["batch"]
reading = [text if kind == "bytes32" else int(text) for kind, text in zip(leaf["types"], leaf["fields"], strict=True)]
place = (batch["stream"], batch["seq"], int(batch["meta"], 16), document["tree_proof"], document["range_proof"]["path"])

call = insurance.functions.claim(int(policy_id), tuple(reading), place)
receipt = web3.eth.wait_for_transaction_receipt(call.transact({"from": carrier.address}))
(paid,) = insurance.events.PolicyPaid().process_receipt(receipt)
print(f"paid {paid.args.insured} for {paid.args.milliCelsius / 1000} °C at {paid.args.time}, {receipt.gasUsed:,} gas")
