/* A PKCS#11 library that misbehaves on command: everything goes to the real one, except what the file beside it says.

   cc -shared -fPIC -DREAL='"/usr/lib/softhsm/libsofthsm2.so"' -o faulty.so faulty.c -ldl

   The file is called as the library with `.control` behind; each line is `FUNCTION FAULT`, `*` for every function. Faults: dead, lost,
   full, pin, crash, hang, stall, `slow MS`. A stall is a hang that ends when the
   file no longer says so, as a network HSM comes back. It is read at every call, so a test may change its mind while a process runs. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong_t;
typedef ulong_t (*call_t)(ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t);

enum { FUNCTIONS = 68 };

/* CK_FUNCTION_LIST of PKCS#11 v2.40: two octets of version, then pointers in this order. */
struct list {
    unsigned char version[2];
    call_t call[FUNCTIONS];
};

static const char *const names[FUNCTIONS] = {
    "C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo",
    "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken", "C_InitPIN", "C_SetPIN", "C_OpenSession", "C_CloseSession",
    "C_CloseAllSessions", "C_GetSessionInfo", "C_GetOperationState", "C_SetOperationState", "C_Login", "C_Logout",
    "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_GetObjectSize", "C_GetAttributeValue", "C_SetAttributeValue",
    "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate",
    "C_EncryptFinal", "C_DecryptInit", "C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal", "C_DigestInit", "C_Digest",
    "C_DigestUpdate", "C_DigestKey", "C_DigestFinal", "C_SignInit", "C_Sign", "C_SignUpdate", "C_SignFinal",
    "C_SignRecoverInit", "C_SignRecover", "C_VerifyInit", "C_Verify", "C_VerifyUpdate", "C_VerifyFinal",
    "C_VerifyRecoverInit", "C_VerifyRecover", "C_DigestEncryptUpdate", "C_DecryptDigestUpdate", "C_SignEncryptUpdate",
    "C_DecryptVerifyUpdate", "C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey", "C_SeedRandom",
    "C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction", "C_WaitForSlotEvent",
};

static const struct list *real;
static struct list ours;
static char control[4096];

static ulong_t fault(const char *name)
{
    char function[64], what[64], line[256];
    FILE *file = fopen(control, "r");
    if (file == NULL)
        return 0;
    int found = 0;
    unsigned ms = 0;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        ms = 0;
        if (sscanf(line, "%63s %63s %u", function, what, &ms) >= 2)
            found = strcmp(function, "*") == 0 || strcmp(function, name) == 0;
    }
    fclose(file);
    if (!found)
        return 0;
    if (strcmp(what, "dead") == 0)
        return 0x30; /* CKR_DEVICE_ERROR */
    if (strcmp(what, "lost") == 0)
        return 0xB3; /* CKR_SESSION_HANDLE_INVALID */
    if (strcmp(what, "full") == 0)
        return strcmp(name, "C_OpenSession") == 0 ? 0xB1 : 0x31; /* CKR_SESSION_COUNT, CKR_DEVICE_MEMORY */
    if (strcmp(what, "pin") == 0)
        return 0xA0; /* CKR_PIN_INCORRECT */
    if (strcmp(what, "crash") == 0)
        abort();
    if (strcmp(what, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(what, "stall") == 0) {
        usleep(50 * 1000);
        return fault(name);
    }
    if (strcmp(what, "slow") == 0)
        usleep(ms * 1000);
    return 0;
}

/* Every function takes words and at most eight of them: more are passed on than are read, which the ABIs of Debian's 64-bit ports allow. */
#define FAULTY(n) \
    static ulong_t faulty_##n(ulong_t a, ulong_t b, ulong_t c, ulong_t d, ulong_t e, ulong_t f, ulong_t g, ulong_t h) \
    { \
        ulong_t value = fault(names[n]); \
        return value != 0 ? value : real->call[n](a, b, c, d, e, f, g, h); \
    }
#define TEN(m, t) m(t##0) m(t##1) m(t##2) m(t##3) m(t##4) m(t##5) m(t##6) m(t##7) m(t##8) m(t##9)
#define ALL(m) \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) TEN(m, 1) TEN(m, 2) TEN(m, 3) TEN(m, 4) TEN(m, 5) \
    m(60) m(61) m(62) m(63) m(64) m(65) m(66) m(67)
ALL(FAULTY)
#define PLACE(n) ours.call[n] = faulty_##n;

ulong_t C_GetFunctionList(const struct list **given)
{
    if (real == NULL) {
        Dl_info where;
        void *library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
        ulong_t (*get)(const struct list **) =
            library == NULL ? NULL : (ulong_t(*)(const struct list **))dlsym(library, "C_GetFunctionList");
        if (get == NULL || get(&real) != 0 || dladdr((void *)C_GetFunctionList, &where) == 0)
            return 0x05; /* CKR_GENERAL_ERROR */
        snprintf(control, sizeof control, "%s.control", where.dli_fname);
        ours.version[0] = 2;
        ours.version[1] = 40;
        ALL(PLACE)
    }
    *given = &ours;
    return 0;
}
