from tests.contracts.builders import *
from tests.contracts.deployed import *
import time
def test_gas(deploy, accounts):
    for n in (8,):
        t0=time.time()
        task=deploy()
        r=task.add_cloud(accounts[1])
        task.add_fog(accounts[3])
        rs=task.add_devices(0,[Device.numbered(i) for i in range(n)])
        print(n,"admit per device", sum(x.gas_used for x in rs)/n, time.time()-t0)
        task.contract.fundPool(sender=accounts[0],value=10**18)
        print("noise", task.contract.recordNoiseRoot(0,b"\1"*32,sender=task.fogs[0]).gas_used)
        for i in range(3):
            print("open", task.contract.openRound(sender=accounts[0]).gas_used)
            part=task.cluster_round(0)
            print("anchor",task.anchor(part).gas_used)
            print("cumul",task.submit_cumulative(part).gas_used)
            res=Aggregate((part,))
            rc=task.submit_aggregate(res)
            print("aggr",rc.gas_used)
            ev=rc.decode_logs(task.contract.ResultAccepted)[0]
            task.model=res.updated(task.model,ev.factor)
        print("claim",task.contract.claim(task.devices[0][0].address,[1,2],sender=accounts[0]).gas_used)
