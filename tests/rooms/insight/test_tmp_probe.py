import itertools, httpx
from app.core.db import Database
from tests.rooms.stores.chain import build
from tests.rooms.customers import logins
from tests.rooms.distribution.sellers import a_seller
from app.main import create_app
ROOMS={"customers","stores","distribution","insight"}
BAD=["\x00","x\x00y","",None,-1,0,10**30,1e308,float("inf") ,"'; DROP","💥"*300,[],{}, True,"\ud800".encode("utf-8","surrogatepass").decode("utf-8","replace"), "stf_01h455vb4pex5vsknk084sn02q","sto_01h455vb4pex5vsknk084sn02q","org_01h455vb4pex5vsknk084sn02q"]
async def test_probe(api, db, simulator, settings):
    import json
    chain=await build(api,db)
    cust=logins.bearer(await logins.log_in(api,simulator))
    sel=(await a_seller(api,simulator,chain.hq)).headers
    spec=create_app(settings).openapi()
    def example(schema, bad=None, key=None, depth=0):
        if "$ref" in schema: schema=spec["components"]["schemas"][schema["$ref"].split("/")[-1]]
        if schema.get("type")=="object":
            return {k:example(v) for k,v in schema.get("properties",{}).items()}
        if "examples" in schema: return schema["examples"][0]
        if "enum" in schema: return schema["enum"][0]
        if "anyOf" in schema: return example(schema["anyOf"][0])
        if "const" in schema: return schema["const"]
        t=schema.get("type")
        if t=="array": return [example(schema["items"])]
        if "pattern" in schema and "_[0-7]" in schema["pattern"]: return schema["pattern"][1:4]+"_01h455vb4pex5vsknk084sn02q"
        return {"integer":1,"number":1.0,"boolean":True,"string":"aaaaaaaaaaaa"}.get(t)
    n=0; seen={}
    for path,ops in spec["paths"].items():
        for method,op in ops.items():
            if not ROOMS & set(op.get("tags",[])): continue
            url=path
            import re
            for name in re.findall(r"{(\w+)}",path):
                par=next(p for p in op["parameters"] if p["name"]==name)
                url=url.replace("{"+name+"}",example(par["schema"]))
            qs=[p for p in op.get("parameters",[]) if p["in"]=="query"]
            bodies=[None]
            if "requestBody" in op:
                base=example(op["requestBody"]["content"]["application/json"]["schema"])
                bodies=[base]+[{**base,k:b} for k in base for b in BAD]+[[],"x",None,1]
            queries=[{}]
            baseq={p["name"]:example(p["schema"]) for p in qs if p.get("required")}
            queries=[baseq]+[{**baseq,p["name"]:b} for p in qs for b in BAD if not isinstance(b,(dict,list)) and b is not None]
            for headers in (cust,chain.hq.headers,sel,chain.people["guide.north"].headers,{}):
                for body,q in [(b,baseq) for b in bodies]+[(bodies[0],q) for q in queries]:
                    if (path,method)==("/v1/session","delete"): continue
                    kw={}
                    if "requestBody" in op:
                        kw["content"]=json.dumps(body).encode(); 
                    r=await api.request(method,url,params=q,headers=headers|{"content-type":"application/json"},**kw)
                    n+=1
                    seen.setdefault((method,path),{}).setdefault(r.status_code,0); seen[(method,path)][r.status_code]+=1
                    declared=set(op["responses"])
                    if r.status_code>=500 or str(r.status_code) not in declared|{"422","401","403"}:
                        print("BAD",method,url,q,body,r.status_code,r.text[:300])
    for k,v in seen.items(): print(k,v)
    print(n)
