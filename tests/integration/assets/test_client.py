"""The client's typed views of shares, beside the package's own reading of the same chain."""

from __future__ import annotations

from gridwitness.client.contracts import AssetFactory, AssetShares, Node, Passports, ShareMarket
from gridwitness.client.contracts.share_market import Ask
from gridwitness.domain.assets import NOBODY, AssetRule
from gridwitness.encoding.eip712 import ask_digest, share_market_domain
from tests.integration.assets.scene import EUR, FRANCE, PROFESSIONAL, Scene


def test_read__asset_and_its_parties__are_as_on_the_chain(scene: Scene) -> None:
    node, manifest = Node(scene.anvil.url), scene.chain.manifest
    first, second, _, american = (account.address for account in scene.investors[:4])
    scene.fund(10 * EUR)
    asset = AssetShares(node, scene.asset.address)
    assert (asset.symbol(), asset.total_supply(), asset.holders()) == ("SUN1", 10_000, 2)
    assert (asset.claimable(first), asset.cash_held()) == (6 * EUR, (10 * EUR, 0))
    assert asset.terms().passports == manifest.address("Passports").lower()
    assert (asset.verdict_of(american)[0], asset.verdict_of(first)[0]) == (AssetRule.COUNTRY, AssetRule.NONE)
    assert not asset.can_transfer(first, american, 1) and asset.can_transfer(first, second, 1)
    proof = asset.proof_of_asset()
    assert (proof.supply, proof.dividend_index) == (10_000, scene.asset.proof().dividend_index)
    passports = Passports(node, manifest.address("Passports"))
    investor, passport, wallets = passports.passport_of(second)
    assert (investor, passport.country, passport.investor_class, wallets) == (second.lower(), FRANCE, PROFESSIONAL, 1)
    assert passports.wallets_of(second) == [second.lower()]
    factory = AssetFactory(node, manifest.address("AssetFactory"))
    assert factory.is_asset(scene.asset.address) and not factory.is_asset(first)


def test_read__ask__has_the_digest_that_sellers_sign(scene: Scene) -> None:
    market = ShareMarket(Node(scene.anvil.url), scene.chain.manifest.address("ShareMarket"))
    seller, buyer = scene.investors[0], scene.investors[2]
    ask, signature = scene.ask(seller, 100, 12 * EUR, number=6)
    digest = market.ask_digest(Ask(ask.shares, ask.seller, NOBODY, ask.cash, 100, 12 * EUR, 6, ask.expires_at))
    assert digest == ask_digest(share_market_domain(scene.chain.chain_id, market.address), ask)
    scene.fill(buyer, (ask, signature), 30)
    assert market.filled_of(seller.address, 6) == 30
