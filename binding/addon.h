#pragma once

#include <node_api.h>

#include <initializer_list>

#include "util/unique_fd.h"

// A function of types/binding.d.ts. It gets `data` from Args::data(), usually the name of the libbpf function
// behind it, for errors.
struct Function {
  const char* name;
  napi_callback call;
  const char* data = nullptr;
};

void Define(napi_env env, napi_value exports, std::initializer_list<Function> functions);

// Passes a descriptor to JavaScript, which closes it with descriptorClose; otherwise, the environment closes
// it when it ends.
napi_value HandOut(napi_env env, UniqueFd fd);

// Argument 0 if it is such a descriptor. Otherwise throws and returns -1. To read from any other one could
// wait forever.
class Args;
int HandedOut(napi_env env, Args& args, const char* operation);

// Each of these registers the functions of the file with that name.
void DefineQuery(napi_env env, napi_value exports);
void DefineFeatures(napi_env env, napi_value exports);
void DefineObject(napi_env env, napi_value exports);
void DefineForeign(napi_env env, napi_value exports);
void DefineProgram(napi_env env, napi_value exports);
void DefineTestRun(napi_env env, napi_value exports);
void DefineProgramInfo(napi_env env, napi_value exports);
void DefineAttach(napi_env env, napi_value exports);
void DefinePerfEvent(napi_env env, napi_value exports);
void DefineNetlink(napi_env env, napi_value exports);
void DefineXdp(napi_env env, napi_value exports);
void DefineXskUmem(napi_env env, napi_value exports);
void DefineXsk(napi_env env, napi_value exports);
void DefineTrial(napi_env env, napi_value exports);
void DefineHookNames(napi_env env, napi_value exports);
void DefineTc(napi_env env, napi_value exports);
void DefineTcFilters(napi_env env, napi_value exports);
void DefineSocket(napi_env env, napi_value exports);
void DefineMap(napi_env env, napi_value exports);
void DefineMapDeclaration(napi_env env, napi_value exports);
void DefineSectionMemory(napi_env env, napi_value exports);
void DefineMapElements(napi_env env, napi_value exports);
void DefineMappedMemory(napi_env env, napi_value exports);
void DefinePidfd(napi_env env, napi_value exports);
void DefineDemangle(napi_env env, napi_value exports);
void DefineDescriptor(napi_env env, napi_value exports);
void DefineLink(napi_env env, napi_value exports);
void DefineLinkInfo(napi_env env, napi_value exports);
void DefineEventSource(napi_env env, napi_value exports);
void DefineRingBuffer(napi_env env, napi_value exports);
void DefinePerfBuffer(napi_env env, napi_value exports);
void DefinePacketSocket(napi_env env, napi_value exports);
void DefineUserRingBuffer(napi_env env, napi_value exports);
void DefineBtf(napi_env env, napi_value exports);
void DefineLinker(napi_env env, napi_value exports);
