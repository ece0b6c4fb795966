"""What Ape reads of the project before any script, read once for all that are forked from here."""

from ape.utils.basemodel import ManagerAccessMixin

CONTRACTS = ManagerAccessMixin.local_project.contracts
